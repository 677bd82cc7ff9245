# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL over a network: what is planned for it, tried out and put back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import certificates
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import mounts
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts import postgres_tls
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_server import (
    Server,
    complaint,
    told_by,
)
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier
from fake_host import FakeHost
from fake_stack import FakeStack
from part_options import options_of
from postgres_world import SERVICES

OFFICIAL = """
# TYPE  DATABASE        USER            ADDRESS                 METHOD
local   all             all                                     trust
host    all             all             127.0.0.1/32            trust
host    all             all             ::1/128                 trust
local   replication     all                                     trust
host    replication     all             127.0.0.1/32            trust
host    replication     all             ::1/128                 trust
host all all all scram-sha-256
"""
DATA = "/var/lib/postgresql/data"


SETTINGS = {
    "data_directory": DATA,
    "hba_file": DATA + "/pg_hba.conf",
    "ssl": "off",
    "ssl_cert_file": "server.crt",
    "log_statement": "none",
}
PAIR = certificates.Pair("CERT\n", "KEY\n")


def md5_of(role, password):
    import hashlib

    return "md5" + hashlib.md5((password + role).encode()).hexdigest()


def part(monkeypatch, options=None, hba=OFFICIAL, verifiers=(), sections=None, services=None, files=None):
    root = "/proc/77/root"
    host = FakeHost(
        dict({root + DATA + "/pg_hba.conf": hba}, **(files or {})),
        stats={root + DATA: FileInfo(0o700, 70, 70, 0, 0.0, "dir")},
    )
    answers = {
        "server": {"loaded": 1.0},
        "settings": {name: {"value": value} for name, value in SETTINGS.items()},
        "overrides": [],
        "file_settings": [],
        "hba": [],
        "pending_restart": [],
        "waiting": {},
        "hba_in_files": "",
        "sessions": [{"client": "172.18.0.9", "ssl": False, "count": 7}],
        "verifiers": [{"role": role, "login": True, "verifier": verifier} for role, verifier in verifiers],
    }
    answers.update(sections or {})
    monkeypatch.setattr(Server, "ask", lambda self: self.sections.update(answers))
    monkeypatch.setattr(certificates, "maintained", lambda *unused: (PAIR, PAIR, []))
    containers = {
        "postgres": {
            "Id": "c",
            "State": {"Running": True, "Pid": 77},
            "Config": {"Env": ["POSTGRES_USER=u", "POSTGRES_PASSWORD=p"]},
        }
    }
    stack = FakeStack(services or SERVICES, containers=containers, host=host)
    return postgres_tls.PostgresTls(stack, options_of(postgres_tls.PostgresTls, options or {}), {})


def texts(plan):
    return {file.path: file for file in plan.files}


def test_the_plan_is_whole(monkeypatch):
    plan = part(monkeypatch).plan()
    found = texts(plan)
    key = found[".nself-prod/postgres/server/server.key"]
    assert (key.mode, key.uid, key.gid, key.secret) == (0o600, 70, 70, True)
    assert found[".nself-prod/postgres/ca/ca.key"].mode == 0o600
    assert (".nself-prod/postgres/ca", 0o700, 0, 0) in plan.folders
    assert "hostssl all all samenet scram-sha-256" in found[".nself-prod/postgres/server/pg_hba.conf"].text
    settings = plan.postgres_settings["postgres"]
    assert settings["ssl"] == "on" and settings["ssl_min_protocol_version"] == "TLSv1.2"
    assert settings["log_statement"] == "ddl" and settings["password_encryption"] == "scram-sha-256"
    assert "max_connections" not in settings
    assert plan.fragment["services"]["postgres"]["volumes"][0]["target"] == "/etc/nself-prod/postgres"
    assert set(found[".nself-prod/postgres/ca.crt"].services) == set(plan.fragment["services"]) - {"postgres"}


def test_rules_come_from_the_data_directory_also_when_ours_are_in_force(monkeypatch):
    settings = dict(SETTINGS, hba_file="/etc/nself-prod/postgres/pg_hba.conf")
    first = part(monkeypatch).plan()
    again_ = part(
        monkeypatch, sections={"settings": {name: {"value": value} for name, value in settings.items()}}
    ).plan()
    name = ".nself-prod/postgres/server/pg_hba.conf"
    assert texts(first)[name].text == texts(again_)[name].text


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["postgres", "-c", "hba_file=/x"], "/x"),
        (["postgres", "-chba_file=/x", "-c", "hba_file=/y"], "/y"),
        ("postgres --hba-file=/x", "/x"),
        (None, None),
        (["postgres", "-c", "not_hba_file=/x"], None),
    ],
)
def test_what_a_command_line_says(command, told):
    assert told_by(command, "hba_file") == told


def test_without_tls_only_the_log_is_set_up(monkeypatch):
    plan = part(monkeypatch, {"enabled": False}).plan()
    assert plan.files == [] and plan.fragment == {} and plan.database_urls == []
    assert plan.postgres_settings["postgres"]["log_connections"] == "on"


def test_tls_that_is_offered_leaves_the_clients_alone(monkeypatch):
    plan = part(monkeypatch, {"required": False}).plan()
    assert plan.database_urls == [] and list(plan.fragment["services"]) == ["postgres"]


def test_too_few_connections_are_refused(monkeypatch):
    with pytest.raises(Refused, match="at least 12"):
        part(monkeypatch, {"max_connections": 11}).plan()
    assert part(monkeypatch, {"max_connections": 12}).plan().postgres_settings["postgres"]["max_connections"] == "12"


def test_a_known_md5_password_is_stored_anew_and_put_back(monkeypatch):
    old = md5_of("u", "p")
    one = part(monkeypatch, hba="host all all all md5\n", verifiers=[("u", old), ("stranger", md5_of("stranger", "?"))])
    plan = one.plan()
    assert 'hostssl all "stranger" samenet md5' in texts(plan)[".nself-prod/postgres/server/pg_hba.conf"].text
    assert any("stranger" in text for text in plan.left)
    one.prepare(Changes(one.stack.host, check=True))
    assert one.stack.ran == []
    one.prepare(Changes(one.stack.host, check=False))
    _service, argv, stdin, _env = one.stack.ran[-1]
    assert 'ALTER ROLE "u" PASSWORD \'SCRAM-SHA-256$' in stdin and "log_statement = 'none'" in stdin
    assert "SCRAM" not in " ".join(argv)
    one.revert()
    assert old in one.stack.ran[-1][2]


def test_who_gets_in_by_trust_only_would_be_locked_out(monkeypatch):
    verifier = pg_verifier.scram("another", b"0123456789abcdef")
    with pytest.raises(Refused, match="Set the password with ALTER ROLE"):
        part(monkeypatch, hba="host all all all trust\n", verifiers=[("u", verifier)]).plan()


def test_a_server_that_does_not_run_as_told_is_made_anew(monkeypatch):
    assert "postgres" in part(monkeypatch).plan().recreate
    settings = dict(SETTINGS, ssl="on", log_statement="ddl", ssl_cert_file="/etc/nself-prod/postgres/server.crt")
    settings["hba_file"] = "/etc/nself-prod/postgres/pg_hba.conf"
    same = {name: {"value": value} for name, value in settings.items()}
    assert part(monkeypatch, sections={"settings": same}).plan().recreate == []


KEPT = {"/tls/server.crt": "-----BEGIN CERTIFICATE-----\n", "/tls/server.key": "KEY\n"}


@pytest.mark.parametrize(
    ("files", "fits", "kept", "told"),
    [
        (KEPT, True, True, ""),
        (KEPT, False, False, "its key is not the certificate's"),
        ({}, True, False, ""),
    ],
)
def test_a_certificate_of_ones_own_is_kept_where_tls_was_turned_off(monkeypatch, files, fits, kept, told):
    leaf = SimpleNamespace(not_before=0.0, not_after=9e9, names=("postgres",))
    monkeypatch.setattr(certificates, "read", lambda text, what: [leaf])
    monkeypatch.setattr(certificates, "OpenSsl", lambda host: SimpleNamespace(fit=lambda pair: fits))
    own = dict(SETTINGS, ssl="off", ssl_cert_file="/tls/server.crt", ssl_key_file="/tls/server.key")
    plan = part(
        monkeypatch,
        sections={"settings": {name: {"value": value} for name, value in own.items()}},
        files={"/proc/77/root" + path: text for path, text in files.items()},
    ).plan()
    assert ("ssl_cert_file" not in plan.postgres_settings["postgres"]) == kept
    assert (".nself-prod/postgres/ca.crt" not in texts(plan)) == kept
    assert [text for text in plan.left if "cannot be kept" in text] == [
        "the server's own certificate cannot be kept: " + text for text in filter(None, [told])
    ]


def test_settings_that_wait_are_told_of(monkeypatch):
    assert any(
        "shared_buffers" in text
        for text in part(monkeypatch, sections={"pending_restart": ["shared_buffers"]}).plan().left
    )


def test_a_roles_own_setting_is_told_of_with_what_to_do(monkeypatch):
    own = [{"role": "app", "database": None, "name": "log_statement", "value": "none"}]
    left = part(monkeypatch, sections={"overrides": own}).plan().left
    assert any('`ALTER ROLE "app" RESET log_statement`' in text for text in left)


def test_a_deployment_without_postgresql_is_left_alone(monkeypatch):
    one = part(monkeypatch, services={"nginx": {"image": "nginx"}})
    assert one.plan().postgres_settings == {}
    one.settle(Changes(one.stack.host, check=False))
    one.verify()


def test_two_servers_of_unknown_purpose_are_refused(monkeypatch):
    two = {"a": {"image": "postgres"}, "b": {"image": "postgis"}}
    with pytest.raises(Refused, match="which one"):
        part(monkeypatch, services=two).plan()


def test_a_server_that_does_not_start_is_quoted(monkeypatch):
    one = part(monkeypatch)
    one.plan()
    said = (
        '2026 [1] LOG:  starting\n2026 [1] FATAL:  private key file "/k" must be owned by the database user or root\n'
    )
    one.stack.answers[("postgres", "sh")] = Completed(1, "", said)
    with pytest.raises(Mismatch, match="must be owned by the database user"):
        one.validate()
    assert complaint("nothing serious\n") == "nothing serious"


def test_files_that_are_newer_are_read_again_and_in_check_mode_only_told(monkeypatch):
    path = "/proc/77/root/etc/nself-prod/postgres/pg_hba.conf"
    one = part(monkeypatch, files={path: "x"})
    one.stack.host.stats[path] = FileInfo(0o640, 0, 70, 1, 2.0, "file")
    monkeypatch.setattr(Server, "stale", lambda self: [])
    one.plan()
    dry = Changes(one.stack.host, check=True)
    one.settle(dry)
    assert dry.changed and one.stack.ran == []
    monkeypatch.setattr(Server, "reload", lambda self: one.stack.ran.append("reload"))
    one.settle(Changes(one.stack.host, check=False))
    one.revert()
    assert one.stack.ran == ["reload", "reload"]


def test_a_trial_has_the_certificate_that_the_server_has_by_its_own(monkeypatch):
    one = part(monkeypatch)
    one.plan()
    one.server.sections["settings"] = {"ssl_cert_file": {"value": "/tls/a.crt"}, "ssl_key_file": {"value": "own.key"}}
    one.server.try_out({"ssl": "on"}, DATA)
    words = one.stack.ran[-1][1]
    assert "ssl_cert_file=/tls/a.crt" in words and "ssl_key_file=%s/own.key" % DATA in words
    one.server.try_out({"ssl": "on", "ssl_cert_file": "/ours/server.crt"}, DATA)
    assert (
        "ssl_cert_file=/ours/server.crt" in one.stack.ran[-1][1]
        and "ssl_cert_file=/tls/a.crt" not in one.stack.ran[-1][1]
    )


def test_a_server_that_does_not_see_its_rules_any_more_is_no_reason_to_refuse(monkeypatch):
    with pytest.raises(Refused, match="does not tell hba"):
        part(monkeypatch, sections={"hba": Unread(detail="58P01")}).plan()
    monkeypatch.setattr(mounts, "stale", lambda *_: ["/etc/nself-prod/postgres"])
    one = part(monkeypatch, sections={"hba": Unread(detail="58P01")})
    one.plan()
    assert one.server.stale() == [] == one.server.broken_rules()
