# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of the distribution: which clusters are meant, what is written for them, and who is not turned away."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import certificates, postgres_host
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.postgres_cluster import HostServer, clusters
from ansible_collections.nself.prod.plugins.module_utils.change.stack import postgres_elsewhere
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_clients import clients_among
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo
from fake_host import FakeHost
from fake_stack import FakeStack
from part_options import options_of

LISTED = (
    "17 main    5432 online          postgres /var/lib/postgresql/17/main /var/log/x.log\n"
    "15 old     5433 down            postgres /var/lib/postgresql/15/old  /var/log/y.log\n"
    "16 standby 5434 online,recovery postgres /var/lib/postgresql/16/standby /var/log/z.log\n"
)
CONFIG = "/etc/postgresql/17/main"
DATA = "/var/lib/postgresql/17/main"
HBA = "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\nhost app app 10.1.0.0/16 md5\n"
PAIR = certificates.Pair("CERT\n", "KEY\n")


class Spec:
    """What options_of() looks at."""

    name = "host"
    SPEC = postgres_host.SPEC


def hardening(monkeypatch, options=None, sections=None, settings=None, conf="include_dir = 'conf.d'\n"):
    host = FakeHost(
        {CONFIG + "/postgresql.conf": conf, CONFIG + "/pg_hba.conf": HBA},
        stats={DATA: FileInfo(0o700, 104, 105, 0, 0.0, "dir")},
        commands={"pg_lsclusters --no-header": LISTED},
    )
    known = {
        "config_file": CONFIG + "/postgresql.conf",
        "hba_file": CONFIG + "/pg_hba.conf",
        "data_directory": DATA,
        "listen_addresses": "*",
        "ssl": "on",
        "ssl_cert_file": "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    }
    known.update(settings or {})
    answers = {
        "server": {"loaded": 1.0},
        "settings": {name: {"value": value} for name, value in known.items()},
        "verifiers": [],
        "sessions": [],
        "hba": [],
        "altered": {},
        "hba_in_files": "",
    }
    answers.update(sections or {})
    monkeypatch.setattr(HostServer, "ask", lambda self: self.sections.update(answers))
    monkeypatch.setattr(certificates, "maintained", lambda *unused: (PAIR, PAIR, []))
    one = postgres_host.Hardening(host, clusters(host)[0], options_of(Spec, options or {}), ["172.18.0.0/16"])
    one.plan()
    return one


def test_clusters_are_those_of_the_distribution():
    found = clusters(FakeHost(commands={"pg_lsclusters --no-header": LISTED}))
    assert [(item.name, item.port, item.running) for item in found] == [
        ("17/main", 5432, True),
        ("15/old", 5433, False),
        ("16/standby", 5434, True),
    ]
    assert found[0].unit == "postgresql@17-main.service" and found[0].config == CONFIG
    assert clusters(FakeHost()) == []


def test_a_cluster_that_is_named_has_to_run():
    found = clusters(FakeHost(commands={"pg_lsclusters --no-header": LISTED}))
    assert [item.name for item in postgres_host._chosen(found, [])] == ["17/main", "16/standby"]
    with pytest.raises(Refused, match="15/old"):
        postgres_host._chosen(found, ["15/old"])


def test_a_host_without_a_cluster_is_not_asked_for_docker():
    out = postgres_host.work(FakeHost(), Changes(FakeHost(), check=True), options_of(Spec, {}))
    assert not out["applicable"]


def test_the_distributions_files_stay_and_ours_stand_beside_them(monkeypatch):
    one = hardening(monkeypatch)
    assert CONFIG + "/pg_hba.conf" not in one.files and CONFIG + "/postgresql.conf" not in one.files
    drop_in = one.files[CONFIG + "/conf.d/nself-prod.conf"][0]
    assert "ssl_min_protocol_version = 'TLSv1.2'" in drop_in
    assert "hba_file = '%s/nself-prod/pg_hba.conf'" % CONFIG in drop_in
    assert one.files[CONFIG + "/nself-prod/server.key"] == ("KEY\n", 0o600, 104, 105, True)
    assert one.files["/etc/nself-prod/postgres/17-main/ca.key"][1:] == (0o600, 0, 0, True)
    assert list(one.files)[-1].endswith("nself-prod.conf"), "what puts the rest in force is written last"


def test_its_rules_are_the_users_with_tls(monkeypatch):
    assert hardening(monkeypatch, {"allowed_hosts": ["10.9.0.0/16"]}).rules == [
        "local all all peer",
        "hostssl all all 127.0.0.1/32 scram-sha-256",
        "hostssl app app 10.1.0.0/16 scram-sha-256",
        "hostssl all all samehost scram-sha-256",
        "hostssl all all 172.18.0.0/16 scram-sha-256",
        "hostssl all all 10.9.0.0/16 scram-sha-256",
    ]


CLEAR = [{"user": "app", "client": "10.1.0.9", "ssl": False, "count": 1}]
ROLES = [{"role": "app", "login": True, "verifier": "SCRAM-SHA-256$x"}]


def test_who_is_connected_in_clear_is_not_turned_away_but_told_of(monkeypatch):
    one = hardening(monkeypatch, sections={"sessions": CLEAR, "verifiers": ROLES})
    assert not any(rule.startswith("hostssl") for rule in one.rules)
    assert any("app from 10.1.0.9" in text for text in one.left)


def test_a_door_that_is_closed_stays_so(monkeypatch):
    rule = {"type": "hostssl", "address": "samehost", "netmask": None, "auth_method": "scram-sha-256", "broken": False}
    one = hardening(monkeypatch, sections={"sessions": CLEAR, "verifiers": ROLES, "hba": [rule]})
    assert one.required and "hostssl app app 10.1.0.0/16 scram-sha-256" in one.rules


def test_a_drop_in_that_is_not_read_is_refused(monkeypatch):
    with pytest.raises(Refused, match="does not read conf.d"):
        hardening(monkeypatch, conf="# include_dir = 'conf.d'\n")


def test_what_alter_system_says_wins_and_is_refused(monkeypatch):
    with pytest.raises(Refused, match="ALTER SYSTEM RESET log_statement"):
        hardening(monkeypatch, sections={"altered": {"log_statement": "none"}})
    hardening(monkeypatch, sections={"altered": {"log_statement": "ddl", "work_mem": "8MB"}})


def test_check_mode_tells_of_the_restart_and_one_that_is_not_allowed_is_refused(monkeypatch):
    one = hardening(monkeypatch)
    changes = Changes(one.host, check=True)
    assert one.carry_out(changes)
    assert "restarted" in str(changes.result()["diff"]) and "KEY" not in str(changes.result()["diff"])
    with pytest.raises(Refused, match="postgres_tls_host_restart"):
        hardening(monkeypatch, {"restart": False}).carry_out(Changes(one.host, check=True))


@pytest.mark.parametrize(
    ("listen", "address"),
    [("*", "127.0.0.1"), ("localhost", "127.0.0.1"), ("10.0.0.5, localhost", "10.0.0.5"), ("::", "::1"), ("", None)],
)
def test_where_it_is_asked(listen, address):
    assert postgres_host._address(listen) == address


def test_a_deployments_services_reach_the_host_by_these_names():
    services = {
        "api": {"environment": {"U": "postgres://u:p@db.local:5433/app"}, "extra_hosts": ["db.local=host-gateway"]},
        "other": {"environment": {"U": "postgres://u:p@172.18.0.1/app"}},
        "far": {"environment": {"U": "postgres://u:p@db.example.test/app"}},
    }
    host = FakeHost(
        {"/etc/postgresql/16/standby/nself-prod-ca.crt": "CA", CONFIG + "/nself-prod-ca.crt": "MAIN"},
        commands={"pg_lsclusters --no-header": LISTED.replace("5434", "5433", 1).replace("old     5433", "old 5999")},
    )
    stack = FakeStack(services, host=host)
    clients = clients_among(services, postgres_elsewhere.names_of_host(stack))
    assert [client.service for client in clients] == ["api", "other"]
    assert postgres_elsewhere.authority(host, clients[:1]) == "CA"
    assert postgres_elsewhere.authority(host, clients[1:]) == "MAIN"
