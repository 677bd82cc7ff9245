# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON report keeps to the schema that the collection ships."""

from __future__ import annotations

import copy
import json

import jsonschema
import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import registry, run, waivers
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.plugin_utils.report import fleet, json_report
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import host_report
from report_samples import GUIDE, NO_DEPLOYMENT, finding, host, lost, report, resource

WHEN = "2026-11-23T12:00:00Z"


@pytest.fixture(scope="module")
def schema(root):
    return json.loads((root / "docs/schema/security-report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def valid(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).validate


def written(*hosts, fail_on="critical", fail_on_unknown=True):
    return json_report.render(hosts, "0.1.0", WHEN, fail_on, fail_on_unknown)


def edge_cases():
    entry = {"id": "NET-02", "owner": "o", "reason": "r", "expires": "2027-01-31"}
    lists = {"used": [entry], "unused": [entry], "expired": [entry]}
    return [
        host("full", GUIDE),
        host("empty"),
        host(
            "bare",
            [finding("NET-01", "not_applicable")],
            deployment=NO_DEPLOYMENT,
            platform=None,
            privileged=False,
            notes=["n"],
        ),
        host("waived", [finding("NET-02", "waived", waiver=entry)], waivers=lists),
        host(
            "unknown",
            [
                finding("NET-02", "unknown", reason=None),
                finding("NET-03", "unknown", resources=[resource("r", "unknown", reason="timeout")]),
            ],
        ),
        host(
            "unread",
            problems=[{"fact": "a.b", "reason": "needs_root", "detail": ""}],
            deployment=dict(NO_DEPLOYMENT, state=None),
        ),
        lost("gone"),
        lost("odd", "", unreachable=False),
    ]


def test_every_kind_of_host_is_valid(valid):
    valid(json.loads(written(*edge_cases())))
    for one in edge_cases():
        valid(json.loads(written(one, fail_on="none")))
    valid(json.loads(written()))


def test_a_report_of_the_real_registry_is_valid(valid):
    tree = {"deployment": {"state": "none"}}
    judged = run.judge_tree(tree, registry.CHECKS, Policy(), waivers.parse([], ()), "h", 1.8e9, 0.5)
    one = fleet.summed(host_report("h", {"report": dict(judged, privileged=True, notes=[])}))
    assert one.status == "audited", one.message
    assert one.report["score"] == judged["score"]
    assert one.report["categories"] == judged["categories"]
    valid(json.loads(written(one)))


def objects(schema, path="#"):
    if isinstance(schema, dict):
        if schema.get("type") == "object" and "properties" in schema:
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, "%s/%s" % (path, key))
    elif isinstance(schema, list):
        for number, value in enumerate(schema):
            yield from objects(value, "%s/%d" % (path, number))


def test_the_schema_allows_nothing_that_it_does_not_name(schema):
    found = list(objects(schema))
    assert len(found) > 15
    for path, one in found:
        assert one.get("additionalProperties") is False, path
        assert sorted(one["required"]) == sorted(one["properties"]), path


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d["hosts"][0]["findings"][0].update(status="fine"),
        lambda d: d["hosts"][0]["findings"][0].update(status="unknown"),
        lambda d: d["hosts"][0]["findings"][0].update(status="waived"),
        lambda d: d["hosts"][0].update(score=101),
        lambda d: d["hosts"][0].update(fingerprints={}),
        lambda d: d["hosts"][0].pop("coverage"),
        lambda d: d.update(schema_version="2.0"),
    ],
)
def test_the_schema_refuses_what_is_wrong(valid, spoil):
    document = copy.deepcopy(json.loads(written(host("h", GUIDE))))
    valid(document)
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        valid(document)


def test_the_same_input_gives_the_same_text_and_hosts_stand_by_name():
    hosts = edge_cases()
    assert written(*hosts) == written(*reversed(hosts))
    assert [one["host"] for one in json.loads(written(*hosts))["hosts"]] == sorted(one.host for one in hosts)


def test_fingerprints_of_secrets_are_not_written():
    fingerprints = {"key_id": "the-key", "secrets": [{"name": "X", "where": "w", "fp": "the-fingerprint"}]}
    hosts = [host_report(name, {"report": report([finding("DATA-32")], fingerprints=fingerprints)}) for name in "ab"]
    text = written(*[fleet.summed(one) for one in fleet.compare_secrets(hosts)])
    assert "the-fingerprint" not in text and "the-key" not in text
    assert "the-fingerprint" not in repr(hosts)
    assert json.loads(text)["gate"]["passed"] is True


def test_the_gate_stands_in_the_report():
    gate = json.loads(written(host("h", [finding("NET-01", "fail", "critical")])))["gate"]
    assert gate == {
        "fail_on": "critical",
        "fail_on_unknown": True,
        "passed": False,
        "reasons": ["1 critical check fails on h"],
    }


def test_a_check_that_could_not_be_decided_stands_in_the_gate(valid):
    unknown = host("h", [finding("NET-01", "unknown", "critical")])
    document = json.loads(written(unknown))
    valid(document)
    assert document["gate"]["passed"] is False
    assert "1 critical check could not be decided on h" in document["gate"]["reasons"][0]
    gate = json.loads(written(unknown, fail_on_unknown=False))["gate"]
    assert (gate["fail_on_unknown"], gate["passed"]) == (False, True)
