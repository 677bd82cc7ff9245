# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One psql answers everything: with what real servers of two major versions said, broken and mended."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import engine
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import postgres, psql
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.links import inside, root_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql import PRIVATE, SECTIONS
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, HostError
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

PASSWORD = "7d1f0c9be24a58836d0fb1a97c5e2d4483b6a90f1c7e5d2a"
APP = "c0ffee7d1f0c9be24a58836d0fb1a97c5e2d44"
ID = "a" * 64
ROOT = "/proc/70/root"


@pytest.fixture(params=["15", "17"])
def said(request, root):
    """What psql printed on a real server, by the state it was in."""
    folder = root / "tests/fixtures/postgres"
    return {
        state: (folder / ("%s-%s.txt" % (request.param, state))).read_text(encoding="utf-8")
        for state in ("broken", "mended")
    }


def unit(**more):
    found = {
        "service": "postgres",
        "name": "app_postgres",
        "role": "postgres",
        "level": "running",
        "id": ID,
        "pid": "70",
        "argv": ["postgres"],
        "environment": {"POSTGRES_USER": "nself", "POSTGRES_PASSWORD": PASSWORD},
        "ports": [],
        "host_namespaces": [],
    }
    return dict(found, **more)


def collect(host, units=None, settings=None, containers=None):
    units = [unit()] if units is None else units
    project = SimpleNamespace(
        units=units,
        settings=settings or {},
        running=lambda role: [item for item in units if item["role"] == role],
    )
    own = {"Id": ID, "State": {"Running": True}, "NetworkSettings": {"Networks": {"app": {}}}}
    sources = (
        Collector("project", lambda host, need: project, hidden=True),
        Collector("docker_containers", lambda host, need: containers or [own], hidden=True),
    )
    facts = collect_all(host, sources + postgres.COLLECTORS, Options(None, "a key"))
    assert set(facts) == {"postgres"}
    return facts["postgres"]


def served(text, files=None, **more):
    data = "/var/lib/pgdata"
    tree = {ROOT + data + "/" + name: "" for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "server.key")}
    tree.update(files or {})
    return FakeHost(tree, commands={"docker": text}, **more)


def judged(facts, *units):
    tree = {
        "deployment": {"state": "found", "units": [unit(env={})] + list(units)},
        "postgres": facts,
        "platform": {"today": "2026-12-01"},
    }
    return {
        check.id: engine.judge(check, Facts(tree), Policy()).status
        for check in CHECKS
        if "DATA-01" <= check.id < "DATA-15"
    }


def test_a_broken_server_fails_and_a_mended_one_passes(said):
    broken = judged(collect(served(said["broken"])))
    for check in "01 02 05 06 07 09 10 11 13 14".split():
        assert broken["DATA-" + check] == "fail", check
    assert broken["DATA-03"] == "unknown"  # the file has errors, so it is not what is loaded
    clients = [unit(), unit(service="hasura", role="hasura", environment={"DB": "postgres://app:%s@db/a" % APP})]
    facts = collect(served(said["mended"]), clients)
    mended = judged(facts)
    for check in "01 02 03 04 05 07 08 09 10 11 12 13 14".split():
        assert mended["DATA-" + check] == "pass", check
    found = {item["role"]: item for item in facts["passwords"]}
    assert found["app"]["secret"]["length"] == len(APP) and found["nself"]["matches_declared"] is True


def test_no_password_and_no_verifier_becomes_a_fact(said):
    for text in said.values():
        facts = json.dumps(collect(served(text)), default=str)
        assert "verifiers" not in facts and "SCRAM-SHA-256$" not in facts and PASSWORD not in facts and APP not in facts
        assert not re.search(r"md5[0-9a-f]{32}", facts)


def test_one_command_that_shows_no_secret(said):
    host = served(said["mended"])
    collect(host)
    ((argv, stdin, env),) = host.ran
    assert argv[:3] == ("docker", "exec", "--interactive") and ID in argv
    assert PASSWORD not in " ".join(argv) + stdin + json.dumps(env)
    assert " -X " in argv[-1] and psql.APPLICATION in argv[-1]


def test_the_script_only_reads():
    text = psql.script(SECTIONS)
    assert text.index("READ ONLY;") < text.index("SELECT")
    assert text.rstrip().endswith("ROLLBACK;") and "COMMIT" not in text and "statement_timeout" in text
    for name, select in SECTIONS.items():
        assert select.strip().upper().startswith(("SELECT", "WITH")) and ";" not in select, name
        # One that does not close would swallow the sections after it.
        assert select.count("(") == select.count(")") and select.count("'") % 2 == 0, name
    assert PRIVATE <= set(SECTIONS)


def test_a_section_that_fails_hides_no_other():
    text = 'server\t{"a": 1}\n!server 00000\n!hba 42501\n!roles 57014\n!schema 42P01\nsettings\t{"a"\n!settings 00000\n'
    found = psql.answers(text, {name: "" for name in ("server", "hba", "roles", "schema", "settings", "lost")})
    assert found["server"] == {"a": 1}
    reasons = [found[name].reason for name in ("hba", "roles", "schema", "settings", "lost")]
    assert reasons == ["needs_root", "timeout", "error", "parse_error", "error"]


@given(st.text(max_size=300))
def test_rubbish_from_psql_is_unread(text):
    for value in psql.answers(text.replace("\t", " "), {"server": ""}).values():
        assert isinstance(value, Unread)


def test_a_closed_door_is_tried_as_the_servers_account_and_then_unknown():
    host = served(Completed(2, "", 'psql: error: FATAL:  Peer authentication failed for user "nself"\n'))
    facts = collect(host)
    assert [("--user" in argv) for argv, _stdin, _env in host.ran] == [False, True]
    assert "Peer authentication failed" in facts["roles"].detail
    assert "pass" not in judged(facts).values()


def test_no_psql_in_the_container_and_no_container_at_all():
    facts = collect(served(Completed(127, "", "sh: psql: not found\n")))
    assert "not found" in facts["server"].detail
    assert "no PostgreSQL" in collect(served(""), []).detail
    two = [unit(service="a", name="a"), unit(service="b", name="b")]
    assert "more than one" in collect(served(""), two).detail


def test_the_file_is_read_where_the_server_does_not_tell_and_is_good_to_fail_only():
    closed = Completed(2, "", "psql: error: no\n")
    path = ROOT + "/var/lib/postgresql/data/pg_hba.conf"
    weak = collect(served(closed, {path: "host all all all trust\n"}))
    assert judged(weak)["DATA-03"] == "fail"
    good = collect(served(closed, {path: "hostssl app app 10.0.0.0/8 scram-sha-256\n"}))
    assert judged(good)["DATA-03"] == "unknown"
    moved = unit(argv=["postgres", "-c", "hba_file=/etc/hba", "-D", "/data"])
    assert collect(served(closed, {ROOT + "/etc/hba": "local all all peer"}), [moved])["hba_file"][0]["type"] == "local"


def test_files_that_are_newer_than_what_is_loaded(said):
    path = ROOT + "/var/lib/pgdata/pg_hba.conf"
    late = FileInfo(0o600, 70, 70, 1, 4e9, "file")
    facts = collect(served(said["mended"], stats={path: late}))
    assert facts["files"]["changed"] == ["/var/lib/pgdata/pg_hba.conf"]
    assert judged(facts)["DATA-11"] == "fail" and judged(facts)["DATA-03"] == "unknown"
    hidden = collect(served(said["mended"], {path: HostError("needs_root", path, "permission denied")}))
    assert hidden["files"]["changed"] == [] or isinstance(hidden["files"]["changed"], Unread)


def test_key_and_certificate_are_those_of_the_servers_own_root(said):
    key = ROOT + "/var/lib/pgdata/server.key"
    facts = collect(served(said["mended"], stats={key: FileInfo(0o640, 0, 70, 1, 0.0, "file")}))
    assert facts["files"]["key"] == {"mode": 0o640, "uid": 0}
    assert isinstance(facts["files"]["certificate"], Unread)  # there is none in this fake


def test_the_days_of_the_certificate_are_told_and_rubbish_is_unread(said, root):
    path = ROOT + "/var/lib/pgdata/server.crt"
    body = json.loads((root / "tests/fixtures/tls/certificates.json").read_text(encoding="utf-8"))["p384"]
    for text in (
        "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n" % body,
        "",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END",
    ):
        found = collect(served(said["mended"], {path: text}))["files"]["certificate"]
        if body in text:
            assert sorted(found) == ["first", "last"] and found["first"] < found["last"]
            assert all(re.match(r"20\d\d-\d\d-\d\d\Z", day) for day in found.values())
        else:
            assert found.reason == "parse_error"


def test_links_never_lead_out_of_the_servers_root():
    host = FakeHost(
        links={ROOT + "/etc/ssl": "/srv/../../../tls", ROOT + "/tls/key": "../../../../k", ROOT + "/a": "/a"}
    )
    assert inside(host, root_of(70), "/etc/ssl/key") == ROOT + "/k"
    assert inside(host, root_of(70), "/../../etc/passwd") == ROOT + "/etc/passwd"
    with pytest.raises(HostError):
        inside(host, root_of(70), "/a")


def test_neighbours_are_other_projects_on_the_same_network():
    def container(name, project, networks, running=True):
        return {
            "Id": ID if name == "db" else name,
            "Name": "/" + name,
            "State": {"Running": running},
            "Config": {"Labels": {"com.docker.compose.project": project} if project else {}},
            "NetworkSettings": {"Networks": dict.fromkeys(networks, {})},
        }

    found = [
        container("db", "app", ["app"]),
        container("hasura", "app", ["app"]),
        container("shop", "shop", ["shop", "app"]),
        container("alone", "", ["app"]),
        container("old", "shop", ["app"], running=False),
        container("far", "far", ["far"]),
    ]
    assert postgres.neighbours(unit(), found) == ["alone", "shop"]
    with pytest.raises(Missing):
        postgres.neighbours(unit(), found[1:])


def test_too_many_rounds_are_not_spent(said):
    slow = said["mended"].replace("SCRAM-SHA-256$4096", "SCRAM-SHA-256$999999999")
    facts = collect(served(slow))
    assert all(isinstance(item["matches_default"], Unread) for item in facts["passwords"])
    assert judged(facts)["DATA-01"] == "unknown"


def test_a_host_without_md5_loses_that_verdict_only(said, monkeypatch):
    def refuse(*_data):
        raise ValueError("disabled for FIPS")

    monkeypatch.setattr("hashlib.md5", refuse)
    facts = collect(served(said["broken"]))
    found = {item["role"]: item for item in facts["passwords"]}
    assert isinstance(found["legacy"]["matches_default"], Unread) and found["lazy"]["matches_default"] is True


def test_a_rotation_that_stopped_half_way(said):
    declared = {"POSTGRES_PASSWORD": SimpleNamespace(value="another-password-that-the-role-does-not-have")}
    facts = collect(served(said["mended"]), settings=declared)
    assert judged(facts)["DATA-01"] == "fail"
    secret = unit(environment={"POSTGRES_USER": "nself", "POSTGRES_PASSWORD_FILE": "/run/secrets/db"})
    facts = collect(served(said["mended"], {ROOT + "/run/secrets/db": PASSWORD + "\n"}), [secret])
    assert judged(facts)["DATA-01"] == "pass"
