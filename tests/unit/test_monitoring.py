# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager's and prometheus' files: what reaches somebody, and what is read of a running container."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import monitoring
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import Discovery
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import alerting
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

SECRET = "T0ken-91-vErY-pRiVaTe"


def config(entry=None, kind="webhook_configs", **more):
    receiver = {"name": "team"} if entry is None else {"name": "team", kind: [entry]}
    return dict({"route": {"receiver": "team"}, "receivers": [receiver]}, **more)


def only(*args, **more):
    (found,) = alerting.receivers(config(*args, **more))
    return found


@pytest.mark.parametrize(
    "kind, entry, shared",
    [
        ("webhook_configs", {"url": "https://hooks.acme.test/" + SECRET}, {}),
        ("webhook_configs", {"url": "http://alert-bridge:8080/"}, {}),
        ("webhook_configs", {"url_file": "/run/secrets/hook"}, {}),
        ("slack_configs", {"channel": "#ops"}, {"slack_api_url": "https://hooks.slack.test/" + SECRET}),
        ("email_configs", {"to": "Ops <ops@acme.test>", "smarthost": "mail.acme.test:587"}, {}),
        ("email_configs", {"to": "a@example.com, ops@acme.test"}, {"smtp_smarthost": "mail.acme.test:587"}),
        ("pagerduty_configs", {"routing_key": SECRET}, {}),
        ("telegram_configs", {"bot_token": SECRET, "chat_id": -100}, {}),
    ],
)
def test_what_reaches_somebody(kind, entry, shared):
    found = only(entry, kind, **{"global": shared})
    assert found["working"] == [kind[: -len("_configs")]]
    assert found["problems"] == []
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    "kind, entry, shared, problem",
    [
        ("webhook_configs", {"url": "http://localhost:5001/"}, {}, "webhook: its url leads to localhost"),
        ("webhook_configs", {"url": "http://127.0.0.1:5001/"}, {}, "leads to alertmanager's own container"),
        ("webhook_configs", {"url": "http://[::1]/"}, {}, "leads to alertmanager's own container"),
        ("webhook_configs", {"url": "http://[::1/"}, {}, "names no host"),
        ("webhook_configs", {"url": "https://hooks.example.com/x"}, {}, "leads to example.com"),
        ("webhook_configs", {"url": "https://hooks.acme.test/${TOKEN}"}, {}, "is a placeholder"),
        ("webhook_configs", {"send_resolved": True}, {}, "it has no url"),
        ("webhook_configs", None, {}, "it is empty"),
        ("email_configs", {"to": "ops@example.org"}, {"smtp_smarthost": "m.acme.test:25"}, "leads to example.org"),
        ("email_configs", {"to": "ops@acme.test"}, {}, "it has no smarthost"),
        ("email_configs", {"to": "ops@acme.test"}, {"smtp_smarthost": "mailpit:1025"}, "leads to a mail catcher"),
        ("slack_configs", {"api_url": "https://hooks.slack.test/YOUR-WEBHOOK"}, {}, "is a placeholder"),
    ],
)
def test_what_reaches_nobody(kind, entry, shared, problem):
    document = config(**{"global": shared})
    document["receivers"][0][kind] = [entry]
    (found,) = alerting.receivers(document)
    assert found["working"] == []
    assert problem in found["problems"][0]


def test_a_kind_that_is_not_known_is_neither():
    assert only({"to": "x"}, "pigeon_configs")["unknown"] == ["pigeon"]


def test_routes_below_count_and_receivers_that_nobody_routes_to_do_not():
    document = {
        "route": {"receiver": "none", "routes": [{"match": {}, "routes": [{"receiver": "team"}]}]},
        "receivers": [
            {"name": "none"},
            {"name": "team", "webhook_configs": [{"url": "https://a.test"}]},
            {"name": "x"},
        ],
    }
    assert [(item["name"], item["root"]) for item in alerting.receivers(document)] == [("none", True), ("team", False)]


@pytest.mark.parametrize(
    "document", [None, [], {}, {"route": []}, {"route": {}}, {"route": {"receiver": "a"}}, {"route": {"receiver": 7}}]
)
def test_what_is_no_configuration(document):
    with pytest.raises(alerting.AlertingError):
        alerting.receivers(document)


def test_a_route_that_leads_to_itself_ends():
    route = {"receiver": "team"}
    route["routes"] = [route]
    with pytest.raises(alerting.AlertingError):
        alerting.receivers({"route": route, "receivers": [{"name": "team"}]})


def test_alerts_and_where_prometheus_sends_them():
    rules = {
        "groups": [{"rules": [{"alert": "Down", "expr": "up == 0"}, {"record": "x", "expr": "y"}, {"alert": "No"}]}]
    }
    assert alerting.alerts(rules) == 1
    assert alerting.names_alertmanager({"alerting": {"alertmanagers": [{"static_configs": [{"targets": ["a:9093"]}]}]}})
    assert alerting.names_alertmanager({"alerting": {"alertmanagers": [{"dns_sd_configs": [{"names": ["a"]}]}]}})
    for nothing in (
        [{"static_configs": [{"targets": []}]}],
        [{"static_configs": []}],
        [{"dns_sd_configs": []}],
        [],
        None,
    ):
        assert not alerting.names_alertmanager({"alerting": {"alertmanagers": nothing}})


WORDS = st.sampled_from(
    ["route", "receiver", "routes", "receivers", "name", "webhook_configs", "url", "a", "global", "groups", "rules"]
    + [
        "alert",
        "expr",
        "alerting",
        "alertmanagers",
        "static_configs",
        "targets",
        "email_configs",
        "to",
        "http://[",
        "a@b",
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | WORDS
TREES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS | st.integers(), below, max_size=4),
    max_leaves=25,
)


@given(TREES, TREES, TREES)
def test_rubbish_raises_nothing_else(tree, entry, shared):
    for document in (
        tree,
        config(entry),
        {"route": {"receiver": "a"}, "receivers": [{"name": "a", "email_configs": tree}]},
    ):
        if isinstance(document, dict):
            document = dict(document, **{"global": shared})
        try:
            alerting.receivers(document)
            alerting.rule_files(document)
        except alerting.AlertingError:
            pass
        assert alerting.names_alertmanager(document) in (True, False)
        assert alerting.alerts(document) >= 0


# -- what is read of a host ------------------------------------------------------------------------------------------------

ALERTMANAGER = json.dumps(config({"url": "https://hooks.acme.test/" + SECRET}))
PROMETHEUS = json.dumps(
    {
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
    }
)
RULES = json.dumps({"groups": [{"name": "a", "rules": [{"alert": "Down", "expr": "up == 0"}]}]})


def unit(role, pid, *argv):
    return {"service": role, "role": role, "pid": pid, "argv": [role, *argv]}


UNITS = (
    unit("alertmanager", "7", "--config.file=/etc/am/a.yml"),
    unit("prometheus", "8", "--config.file", "/etc/prom/p.yml"),
)
FILES = {
    "/proc/7/root/etc/am/a.yml": ALERTMANAGER,
    "/proc/8/root/etc/prom/p.yml": PROMETHEUS,
    "/proc/8/root/etc/prom/rules/one.yml": RULES,
    "/proc/8/root/etc/prom/rules/two.yml": RULES,
}
LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
CONTAINERS = [
    {
        "State": {"Running": True},
        "Config": {"Labels": LABELS},
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {"max-size": "10m"}}},
    },
    {"State": {"Running": False}, "Config": {"Labels": LABELS}},
    {"State": {"Running": True}, "Config": {"Labels": None}},
]


def collected(files=None, units=UNITS):
    project = SimpleNamespace(
        running=lambda role: [item for item in units if item["role"] == role],
        found=Discovery("found", "/opt/nself", "shop"),
    )
    given = {"project": project, "docker_containers": CONTAINERS}
    return monitoring.collect(FakeHost(FILES if files is None else files), given.__getitem__)


def test_the_running_containers_own_files_are_read():
    facts = collected()
    assert facts["alertmanager"][0]["receivers"][0]["working"] == ["webhook"]
    assert facts["prometheus"] == [{"service": "prometheus", "alerts": 2, "alertmanager": True}]
    assert facts["logs"] == [{"service": "web", "driver": "json-file", "max_size": "10m"}]
    assert SECRET not in repr(facts)


@pytest.mark.parametrize(
    "files, reason",
    [
        ({"/proc/7/root/etc/am/a.yml": "route: [%s" % SECRET}, "parse_error"),
        ({"/proc/7/root/etc/am/a.yml": "[]"}, "parse_error"),
        ({"/proc/7/root/etc/am/a.yml": HostError("needs_root", "a.yml", "permission denied")}, "needs_root"),
        ({}, "error"),
    ],
)
def test_what_cannot_be_read_is_not_known(files, reason):
    (found,) = collected(files, UNITS[:1])["alertmanager"]
    assert isinstance(found["receivers"], Unread)
    assert found["receivers"].reason == reason
    assert SECRET not in repr(found)


def test_a_program_that_is_not_told_where_its_file_is():
    (found,) = collected(units=(unit("alertmanager", "7"),))["alertmanager"]
    assert "--config.file" in found["receivers"].detail


def test_without_pyyaml_it_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    (found,) = collected(units=UNITS[:1])["alertmanager"]
    assert found["receivers"] == Unread("tool_absent", "the host has no PyYAML to read /etc/am/a.yml with")
