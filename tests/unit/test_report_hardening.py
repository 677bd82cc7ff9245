# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Before and after: which checks turned, what the roles answered, and whether a run of harden.yml ended well."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.plugin_utils.report import hardening, hardening_console
from ansible_collections.nself.prod.plugins.plugin_utils.report.excuses import excuses
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import (
    CHECKED,
    DONE,
    FAILED,
    LEFT_OUT,
    LOST,
    ROLES,
    UNTOUCHED,
    Hardened,
    RoleResult,
    failure_of,
    gate,
    role_results,
    roles_run,
    state_of,
    too_many,
    turned,
    why_left_out,
)
from ansible_collections.nself.prod.plugins.plugin_utils.report.remedy import Remedies
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style
from report_samples import finding, host, lost

HASURA = {"role": "hasura", "vars": [], "restarts": [], "by_hand": "Mend Hasura."}


def audited(*findings, name="web1", **more):
    return host(name, [finding(id, status, severity) for id, status, severity in findings], **more)


def hardened(before, after=None, state=DONE, name="web1", **more):
    return Hardened(name, state, before, after, **more)


def ids(findings):
    return [item["id"] for item in findings]


# -- two audits ------------------------------------------------------------------------------------------------------------


def test_each_check_is_told_once_by_what_became_of_it():
    names = ("INFRA-05", "INFRA-06", "INFRA-07", "INFRA-08", "INFRA-09", "INFRA-10", "INFRA-11", "INFRA-12")
    was = ("fail", "unknown", "not_applicable", "pass", "pass", "fail", "not_applicable", "unknown")
    now = ("pass", "pass", "pass", "fail", "unknown", "fail", "fail", "unknown")
    before = audited(*((name, status, "warning") for name, status in zip(names, was)))
    after = audited(*((name, status, "warning") for name, status in zip(names, now)))
    what = turned(before, after, ["sshd"])
    assert ids(what.better) == ["INFRA-05", "INFRA-06", "INFRA-07"]
    assert ids(what.worse) == ["INFRA-08"]
    assert ids(what.blurred) == ["INFRA-09"]
    assert ids(what.failing) == ["INFRA-10", "INFRA-11"]
    assert ids(what.undecided) == ["INFRA-12"]


def test_what_no_role_of_the_run_mends_is_counted_only():
    before = host("web1", [finding("AUTH-01", "fail", "critical", fix=HASURA), finding("INFRA-05", "fail", "warning")])
    what = turned(before, before, ["ufw"])
    assert what.failing == () and what.elsewhere == {"critical": 1, "warning": 1}
    # But whatever got worse is told, whoever would mend it.
    better = host("web1", [finding("AUTH-01", "pass", "critical", fix=HASURA), finding("INFRA-05", "fail", "warning")])
    assert ids(turned(better, before, ["ufw"]).worse) == ["AUTH-01"]


def test_without_a_second_audit_nothing_turned():
    what = turned(audited(("INFRA-05", "fail", "critical"), ("INFRA-06", "unknown", "critical")), None, ["sshd"])
    assert (what.better, what.worse, what.blurred) == ((), (), ())
    assert ids(what.failing) == ["INFRA-05"] and ids(what.undecided) == ["INFRA-06"]
    assert turned(lost("web1"), None, ["sshd"]).failing == ()


def test_the_gravest_stand_first():
    before = audited(
        ("INFRA-05", "fail", "recommendation"), ("INFRA-06", "fail", "critical"), ("INFRA-07", "fail", "warning")
    )
    assert ids(turned(before, before, ["sshd"]).failing) == ["INFRA-06", "INFRA-07", "INFRA-05"]


# -- which roles, and what they answered -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags, skipped, roles",
    [
        ((), (), ROLES),
        (("all",), (), ROLES),
        (("ufw", "sshd"), (), ("sshd", "ufw")),
        (("all",), ("sshd",), tuple(role for role in ROLES if role != "sshd")),
        (("sshd", "ufw"), ("ufw",), ("sshd",)),
        (("never",), (), ()),
    ],
)
def test_tags_choose_roles_in_their_order(tags, skipped, roles):
    assert roles_run([*ROLES, "hasura"], tags, skipped) == roles


def test_a_role_that_is_not_shipped_is_not_run():
    assert roles_run(["sshd"]) == ("sshd",)


def test_what_roles_registered_is_found_by_their_names():
    (sshd, ufw) = role_results(
        {
            "sshd_result": {"changed": True, "diff": [{"after_header": "/etc/ssh/x"}, {"prepared": "a\nb\n"}, "odd"]},
            "sshd_ports": [22],
            "sshd_settings": {"changed": "no result of a task"},
            "ufw_installed": {
                "changed": False,
                "results": [{"changed": True, "diff": {"after": "ufw"}}, {"changed": False}],
            },
            "ufw_result": {"changed": False, "failed": True},
            "ufwx_result": {"changed": True},
            "services_result": {"changed": False, "skipped": True},
        },
        ROLES,
    )
    assert sshd == RoleResult("sshd", True, ("/etc/ssh/x", "a", "b"))
    assert ufw == RoleResult("ufw", True, ("ufw",), (), True)


def test_packages_that_were_installed_are_told_of_the_role_that_needed_them():
    variables = {
        "packages_of": {"ufw": ["ufw", "nftables"], "auditd": "odd", "services": ["systemd-timesyncd"]},
        "packages_result": {"changed": False, "missing": ["ufw"]},
        "ufw_result": {"changed": True, "diff": [{"after_header": "/etc/default/ufw"}]},
        "auditd_result": {"changed": False},
    }
    assert role_results(variables, ROLES) == (
        RoleResult("ufw", True, ("package ufw", "package nftables", "/etc/default/ufw")),
        RoleResult("services", True, ("package systemd-timesyncd",)),
        RoleResult("auditd", False),
    )
    assert role_results(dict(variables, packages_of="odd"), ["ufw"]) == (
        RoleResult("ufw", True, ("/etc/default/ufw",)),
    )


def test_what_could_not_be_done_is_said_in_words():
    assert excuses({"outside": ["kernel.a", "kernel.b"]}) == [
        "belongs to the machine around the container: kernel.a, kernel.b"
    ]
    assert excuses({"refused": {"vm.x": "read-only", "vm.y": "read-only"}}) == [
        "may not be set here: vm.x, vm.y: read-only"
    ]
    assert excuses({"clock": {"state": "not_applicable", "reason": "the machine's"}}) == ["clock: the machine's"]
    assert excuses({"left": ["these keep logs: a, b", "and that"]}) == ["these keep logs: a, b", "and that"]
    assert excuses({"docker": {"state": "running", "guarded": False, "backend": "nftables"}}) == [
        "the ports that Docker publishes are not filtered (it filters by nftables)"
    ]
    assert excuses({"applicable": False}) == ["there is nothing of it on this host"]
    assert (
        excuses({"left": [], "refused": {}, "left_out": None, "clock": {"state": "running"}, "applicable": True}) == []
    )


def test_a_host_cannot_write_to_the_terminal_by_what_it_answers():
    assert excuses({"left": ["a line\033[2J more"]}) == ["a line?[2J more"]
    result = {"sshd_result": {"changed": True, "diff": [{"prepared": "x\033[2J\n"}]}}
    assert role_results(result, ROLES)[0].changes == ("x?[2J",)


# -- what became of a host ---------------------------------------------------------------------------------------------------


def test_the_state_of_a_host():
    good, bad = audited(("INFRA-05", "pass", "critical")), lost("web1", "no route")

    def state(before=good, after=good, failure="", gone=False, stopped=False, check=False):
        return state_of(before, after, failure, lost=gone, stopped=stopped, check=check)

    assert state() == (DONE, "")
    assert state(check=True) == (CHECKED, "")
    assert state(failure="sshd: no") == (FAILED, "sshd: no")
    assert state(gone=True)[0] == LOST
    assert state(before=bad, after=None) == (LEFT_OUT, "no route")
    assert state(after=None, stopped=True) == (UNTOUCHED, "the rollout stopped before")
    assert state(after=None)[0] == LOST
    assert state(after=bad) == (LOST, "it could not be audited afterwards: no route")


def test_who_cannot_be_hardened_and_why():
    assert why_left_out(audited()) == ""
    assert "needs root" in why_left_out(audited(privileged=False, notes=["could not become root"]))
    assert "Alpine" in why_left_out(audited(platform={"id": "alpine", "name": "Alpine Linux"}))


def test_a_failure_is_told_with_its_role_and_task():
    given = {"tags": ["always", "ufw"], "task": "Bring the firewall to the policy", "message": "no\nroom"}
    assert failure_of(given) == "ufw (Bring the firewall to the policy): no room"
    assert failure_of({"message": "no"}) == "a task: no"
    assert failure_of("nonsense") == "a task: it failed without a message"


@pytest.mark.parametrize(
    "batch, failed, percent, stop",
    [(1, 0, 0, False), (1, 1, 0, True), (10, 1, 10, False), (10, 2, 10, True), (0, 0, 0, False)],
)
def test_when_a_rollout_stops(batch, failed, percent, stop):
    assert too_many(range(batch), ["x"] * failed, percent) is stop


# -- the gate --------------------------------------------------------------------------------------------------------------


def reasons(*hosts, fail_on="critical", unknown=True):
    return gate(hosts, ["sshd"], fail_on, unknown).reasons


def test_a_host_that_failed_closes_any_gate():
    good = audited(("INFRA-05", "pass", "critical"))
    for state, words in (
        (FAILED, "hardening web1 failed"),
        (LOST, "web1 did not"),
        (LEFT_OUT, "web1 could not"),
        (UNTOUCHED, "web1 was not begun"),
    ):
        (reason,) = reasons(hardened(good, good if state == FAILED else None, state), fail_on="none")
        assert reason.startswith(words)


def test_what_got_worse_and_what_is_left_close_it_by_their_severity():
    before = audited(
        ("INFRA-05", "pass", "critical"), ("INFRA-06", "fail", "critical"), ("INFRA-07", "unknown", "critical")
    )
    after = audited(
        ("INFRA-05", "fail", "critical"), ("INFRA-06", "fail", "critical"), ("INFRA-07", "unknown", "critical")
    )
    assert reasons(hardened(before, after)) == (
        "1 critical check got worse on web1: INFRA-05",
        "1 critical check of the roles that ran still failing on web1: INFRA-06",
        "1 critical check of the roles that ran not decided on web1: INFRA-07",
    )
    assert len(reasons(hardened(before, after), unknown=False)) == 2
    assert reasons(hardened(before, after), fail_on="none") == ()
    mild = audited(("INFRA-05", "fail", "warning"))
    assert reasons(hardened(mild, mild)) == () and reasons(hardened(mild, mild), fail_on="warning")


def test_nothing_is_asked_of_check_mode():
    before = audited(("INFRA-05", "fail", "critical"))
    assert reasons(hardened(before, None, CHECKED)) == ()


# -- the report ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [72, 120])
def test_no_line_is_wider_than_the_terminal(columns):
    before, after = audited(("INFRA-05", "fail", "critical")), audited(("INFRA-05", "pass", "critical"))
    one = hardened(
        before, after, roles=(RoleResult("sshd", True, ("/etc/x",)), RoleResult("auditd", excuses=("word " * 40,)))
    )
    two = hardened(before, None, FAILED, "web2", message="sshd: " + "word " * 40)
    text = hardening_console.render([one, two], ["sshd"], Style(columns), Remedies())
    assert max(map(len, text.splitlines())) <= columns
    assert text.index("web2") < text.index("web1  ")
    assert hardening.outcome(one, ["sshd"])["better"] == ["INFRA-05"]


def test_ascii_where_the_terminal_knows_no_more():
    before, after = audited(("INFRA-05", "fail", "critical")), audited(("INFRA-05", "pass", "critical"))
    text = hardening_console.render([hardened(before, after)], ["sshd"], Style(79, unicode=False), Remedies())
    assert text.isascii() and "0 -> 100 of 100" in text
