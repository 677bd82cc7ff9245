# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the controller can say of a fleet."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import waivers
from ansible_collections.nself.prod.plugins.plugin_utils.report import fleet
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import host_report
from report_samples import GUIDE, finding, host, lost, report, resource


def with_secrets(name, secrets, key_id="k", findings=None, **more):
    findings = [finding("DATA-32")] if findings is None else findings
    fingerprints = {"key_id": key_id, "secrets": [{"name": n, "where": "postgres", "fp": fp} for n, fp in secrets]}
    return host_report(name, {"report": report(findings, fingerprints=fingerprints, **more)})


def compared(*hosts, exceptions=()):
    return [fleet.summed(one) for one in fleet.compare_secrets(hosts, waivers.parse(exceptions, ["DATA-32"]))]


def distinct(one):
    return next(f for f in one.report["findings"] if f["id"] == "DATA-32")


def test_the_same_secret_on_two_hosts_fails_both_and_names_the_other():
    first, second, third = compared(
        with_secrets("web1", [("POSTGRES_PASSWORD", "aa"), ("JWT", "bb")]),
        with_secrets("web2", [("DB_PASSWORD", "aa")]),
        with_secrets("web3", [("POSTGRES_PASSWORD", "cc")]),
    )
    assert distinct(first)["status"] == distinct(second)["status"] == "fail"
    assert distinct(third)["status"] == "pass"
    assert [r["actual"] for r in distinct(first)["resources"]] == ["same value as DB_PASSWORD on web2"]
    assert distinct(first)["resources"][0]["name"] == "POSTGRES_PASSWORD"
    assert "POSTGRES_PASSWORD" in distinct(first)["actual"]
    assert first.report["score"] == 0 and third.report["score"] == 100
    assert first.report["counts"]["fail"] == 1
    assert distinct(first)["fingerprint"] != finding("DATA-32")["fingerprint"]


def test_fingerprints_of_different_keys_are_never_compared():
    first, second = compared(with_secrets("a", [("X", "aa")], "k1"), with_secrets("b", [("X", "aa")], "k2"))
    assert distinct(first)["status"] == distinct(second)["status"] == "pass"


def test_the_same_secret_twice_on_one_host_is_the_hosts_own_matter():
    (one,) = compared(with_secrets("a", [("X", "aa"), ("Y", "aa")]))
    assert distinct(one)["status"] == "pass"


def test_what_the_host_found_by_itself_stays():
    own = finding(
        "DATA-32",
        "fail",
        actual="X and Y are equal",
        resources=[resource("X", actual="equal to Y"), resource("Z", "pass")],
    )
    first, _second = compared(with_secrets("a", [("Z", "aa")], findings=[own]), with_secrets("b", [("Z", "aa")]))
    assert [(r["name"], r["status"]) for r in distinct(first)["resources"]] == [("X", "fail"), ("Z", "fail")]
    assert distinct(first)["actual"].startswith("X and Y are equal; ")


def test_an_unknown_becomes_a_fail_that_has_no_reason():
    first, _second = compared(
        with_secrets("a", [("Z", "aa")], findings=[finding("DATA-32", "unknown")]), with_secrets("b", [("Z", "aa")])
    )
    assert (distinct(first)["status"], distinct(first)["reason"]) == ("fail", None)


def test_a_host_that_did_not_judge_the_check_is_left_alone():
    first, second = compared(
        with_secrets("a", [("Z", "aa")], findings=[finding("DATA-31")]), with_secrets("b", [("Z", "aa")])
    )
    assert [f["id"] for f in first.report["findings"]] == ["DATA-31"]
    assert distinct(second)["status"] == "fail"


def waiver(**more):
    return dict({"id": "DATA-32", "owner": "alice", "reason": "One cluster", "expires": "2027-01-31"}, **more)


def test_a_waiver_covers_what_only_the_fleet_shows():
    entry = waivers.parse([waiver()], ["DATA-32"])[0].as_dict()
    lists = {"used": [], "unused": [entry], "expired": []}
    first, second = compared(
        with_secrets("a", [("Z", "aa")], waivers=lists),
        with_secrets("b", [("Z", "aa")]),
        exceptions=[waiver(hosts=["a"])],
    )
    assert distinct(first)["status"] == "waived"
    assert distinct(first)["waiver"]["owner"] == "alice"
    assert first.report["waivers"] == {"used": [entry], "unused": [], "expired": []}
    assert first.report["score"] is None and first.report["score_without_waivers"] == 0
    assert distinct(second)["status"] == "fail"


@pytest.mark.parametrize("more", [{"resources": ["OTHER"]}, {"expires": "2026-01-01"}])
def test_a_waiver_that_does_not_cover_it_does_not_hide_it(more):
    hosts = [
        with_secrets(name, [("Z", "aa")], findings=[finding("DATA-32", "waived", waiver=waiver())]) for name in "ab"
    ]
    assert [distinct(one)["status"] for one in compared(*hosts, exceptions=[waiver(**more)])] == ["fail", "fail"]


# -- sums ------------------------------------------------------------------------------------------------------------


def test_a_round_trip_through_the_report_keeps_the_score():
    entry = {"id": "X", "owner": "o", "reason": "r", "expires": "2027-01-01"}
    waived = [
        finding("NET-01", "waived", "critical", waiver=entry, reason="needs_root"),
        finding("NET-02", "waived", "critical", waiver=entry),
        finding("NET-03", "pass", "critical"),
    ]
    one = host("h", waived)
    assert one.report["score"] == 100
    assert one.report["score_without_waivers"] == 33
    assert fleet.as_finding(waived[0]).verdict.status == "unknown"
    assert fleet.as_finding(waived[1]).verdict.status == "fail"


def test_worst_first():
    hosts = [
        host("good", GUIDE),
        host("none", []),
        lost("gone"),
        lost("odd", unreachable=False),
        host("bad", [finding("NET-01", "fail")]),
    ]
    assert [one.host for one in fleet.worst_first(hosts)] == ["gone", "odd", "bad", "good", "none"]


def test_sums_of_a_fleet():
    totals = fleet.summary(
        [host("a", GUIDE), host("b", [finding("NET-01", "unknown"), finding("NET-02", "fail", "critical")]), lost("c")]
    )
    assert totals["lowest_score"] == 0
    assert totals["failing"] == {"critical": 1, "warning": 3, "recommendation": 0}
    assert totals["coverage"] == {"decided": 18, "applicable": 19, "percent": 94}
    assert (totals["hosts"], totals["audited"], totals["unreachable"], totals["failed"], totals["unknown"]) == (
        3,
        2,
        1,
        0,
        1,
    )


def test_a_fleet_of_lost_hosts_has_no_score():
    totals = fleet.summary([lost("a")])
    assert totals["lowest_score"] is None
    assert totals["coverage"]["percent"] is None


CRITICAL = [finding("NET-01", "fail", "critical")]
WARNING = [finding("NET-01", "fail", "warning")]
UNDECIDED = [
    finding("NET-02", "unknown", "critical"),
    finding("NET-03", "unknown", "warning"),
    finding("NET-04", "unknown", "warning"),
]


@pytest.mark.parametrize(
    "findings, fail_on, reasons",
    [
        (CRITICAL, "critical", ["1 critical check fails on h"]),
        (CRITICAL, "warning", ["1 critical check fails on h"]),
        (CRITICAL, "none", []),
        (WARNING, "critical", []),
        (WARNING, "warning", ["1 warning check fails on h"]),
        (
            UNDECIDED,
            "critical",
            [
                "1 critical check could not be decided on h: waive it, or set nself_check_fail_on_unknown=false",
            ],
        ),
        (
            UNDECIDED + CRITICAL,
            "warning",
            [
                "1 critical check fails on h",
                "1 critical check could not be decided on h: waive it, or set nself_check_fail_on_unknown=false",
                "2 warning checks could not be decided on h: waive them, or set nself_check_fail_on_unknown=false",
            ],
        ),
        (UNDECIDED, "none", []),
        ([finding("NET-01", "unknown", "recommendation")], "warning", []),
        ([finding("NET-01", "fail", "recommendation")], "warning", []),
        (
            [finding("NET-01", "waived", "critical", waiver={"id": "a", "owner": "b", "reason": "c", "expires": "d"})],
            "warning",
            [],
        ),
    ],
)
def test_the_gate(findings, fail_on, reasons):
    assert fleet.gate([host("h", findings)], fail_on).reasons == tuple(reasons)


def test_the_gate_may_pass_over_what_could_not_be_decided():
    assert fleet.gate([host("h", UNDECIDED)], "warning", fail_on_unknown=False).reasons == ()
    assert fleet.gate([host("h", UNDECIDED + CRITICAL)], "warning", False).reasons == ("1 critical check fails on h",)


def test_a_host_that_was_not_audited_does_not_pass_the_gate():
    gate = fleet.gate([lost("b"), lost("a", unreachable=False)], "critical", fail_on_unknown=False)
    assert gate.reasons == ("a, b could not be audited",)
    assert fleet.gate([lost("a")], "none").reasons == ()


def test_the_message_of_the_gate_begins_with_the_hosts_that_close_it():
    hosts = [host("a-good", [finding("NET-01")]), lost("c-gone"), host("b-weak", CRITICAL)]
    message = fleet.gate(hosts, "critical").message
    assert message == "b-weak, c-gone: 1 critical check fails on b-weak; c-gone could not be audited"
    assert fleet.gate(hosts[:1], "critical").message == ""


# -- hosts that answer with something else ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "rubbish",
        {},
        {"report": None},
        {"report": []},
        {"report": {}},
        {"report": report([{}])},
        {"report": report([finding("NET-01", status="fine")])},
        {"report": report([finding("NET-01", severity=["critical"])])},
        {"report": report([finding("NET-01", expected=None)])},
        {"report": report([finding("NET-01", category="data")])},
        {"report": report([finding("NET-01"), finding("NET-01")])},
        {"report": report([finding("NET-01", resources={})])},
        {"report": report(privileged="yes")},
        {"report": report(generated_at="yesterday")},
        {"report": report(fingerprints={"key_id": 1, "secrets": []})},
    ],
)
def test_what_is_no_report_makes_the_host_failed(answer):
    one = host_report("h", answer)
    assert one.status == "failed"
    assert one.message
    assert one.report is None


def test_what_the_schema_does_not_name_is_dropped():
    one = host_report(
        "h", {"report": report([finding("NET-01", extra="x")], extra="x", fingerprints={"key_id": "k", "secrets": []})}
    )
    assert set(one.report) == set(report()) - {"extra", "fingerprints"}
    assert "extra" not in one.report["findings"][0]
