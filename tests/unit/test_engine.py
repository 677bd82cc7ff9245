# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure middle: verdicts, waivers, score, policy, and collectors that fail."""

from __future__ import annotations

import datetime
import time

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import engine, score, waivers
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Options, collect_all
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    NotApplicable,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy, PolicyError
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed
from fake_host import FakeHost

TODAY = datetime.date(2026, 6, 1)


def made(judge, check_id="INFRA-01", severity=Severity.CRITICAL, settings=()):
    return check(
        check_id, "slug", "Title", severity, "why", "reads", "passes", Fix("role", "Do it."), settings=settings
    )(judge)


def finding(status="pass", severity=Severity.CRITICAL, check_id="INFRA-01", facts=None, **verdict):
    return engine.judge(
        made(lambda facts, policy: Verdict(status, "e", "a", **verdict), check_id, severity),
        Facts(facts or {}),
        Policy(),
    )


def raising(error):
    def judge(facts, policy):
        raise error

    return engine.judge(made(judge), Facts({}), Policy())


def test_a_missing_fact_is_unknown_with_its_reason():
    found = raising(Missing("ssh.effective", "needs_root", "sshd: permission denied"))
    assert (found.status, found.verdict.reason, found.verdict.actual) == (
        "unknown",
        "needs_root",
        "sshd: permission denied",
    )


def test_a_judge_that_crashes_is_unknown_and_quotes_nothing():
    found = raising(KeyError("s3cret"))
    assert found.status == "unknown" and "s3cret" not in found.verdict.actual


def test_nothing_to_judge_is_not_applicable():
    assert raising(NotApplicable("no Docker here")).verdict.actual == "no Docker here"


def test_what_is_only_declared_never_passes():
    assert finding("pass", level=Level.DECLARED).status == "unknown"
    assert finding("fail", level=Level.DECLARED).status == "fail"


def test_a_declared_setting_that_is_not_in_force_is_told():
    facts = {"deployment": {"settings": {"NAME": {"value": "false", "file": ".env.prod"}}}}

    def judged(effective):
        return engine.judge(
            made(lambda f, p: Verdict("fail", "e", "a", effective=effective), settings=("NAME",)),
            Facts(facts),
            Policy(),
        )

    assert judged("true").declared == {"name": "NAME", "value": "false", "file": ".env.prod"}
    assert judged("false").declared is None


def test_one_failing_resource_fails_the_check_and_one_unknown_hides_no_failure():
    def one(name):
        if name == "lost":
            raise Missing(name, "timeout", "no answer")
        return name != "bad", ""

    assert summed("", each(["good", "lost", "bad"], str, one)).status == "fail"
    assert summed("", each(["good", "lost"], str, one)).status == "unknown"
    assert summed("", each(["good"], str, one)).status == "pass"
    with pytest.raises(NotApplicable):
        summed("", [])


def test_a_pass_is_as_strong_as_its_weakest_resource():
    mixed = [resource("a", True), resource("b", True, level=Level.RENDERED)]
    assert summed("", mixed).level == Level.RENDERED


def test_the_score_of_the_guides_sample_is_85():
    sample = [finding() for _number in range(9)] + [finding("pass", Severity.WARNING) for _number in range(5)]
    sample += [finding("fail", Severity.WARNING) for _number in range(3)]
    assert score.score(sample) == 85


def test_a_failing_critical_check_caps_the_score():
    assert score.score([finding() for _number in range(99)] + [finding("fail")]) == 59


def test_unknown_counts_against_the_score_and_not_applicable_does_not():
    assert score.score([finding(), finding("unknown", reason="error")]) == 50
    assert score.score([finding(), finding("not_applicable")]) == 100
    assert score.score([finding("not_applicable")]) is None
    assert score.score([finding("pass", Severity.RECOMMENDATION)]) is None


def entry(**more):
    return dict({"id": "INFRA-01", "owner": "ann", "reason": "until the move", "expires": "2026-06-30"}, **more)


def applied(found, *entries, host="web1"):
    return waivers.apply([found], waivers.parse(list(entries), ["INFRA-01", "INFRA-02"]), host, TODAY)


def test_a_waiver_takes_a_failure_out_of_the_score_and_shows_who_owns_it():
    found, lists = applied(finding("fail"), entry())
    assert found[0].status == "waived" and found[0].waiver["owner"] == "ann" and len(lists["used"]) == 1
    assert score.score(found) is None and score.score(found, waivers=False) == 0


@pytest.mark.parametrize("status", ["pass", "not_applicable"])
def test_a_waiver_for_what_does_not_fail_is_reported_as_unused(status):
    found, lists = applied(finding(status), entry())
    assert found[0].status == status and len(lists["unused"]) == 1


def test_an_expired_waiver_fails_again_from_the_next_day():
    assert applied(finding("fail"), entry(expires="2026-06-01"))[0][0].status == "waived"
    found, lists = applied(finding("fail"), entry(expires="2026-05-31"))
    assert found[0].status == "fail" and len(lists["expired"]) == 1


def test_a_waiver_holds_for_its_hosts_and_resources_only():
    assert applied(finding("fail"), entry(hosts=["db*"]))[0][0].status == "fail"
    both = finding("fail", resources=(resource("cadvisor", False), resource("redis", False), resource("nginx", True)))
    assert applied(both, entry(resources=["cadvisor"]))[0][0].status == "fail"
    assert applied(both, entry(resources=["cadvisor", "red*"]))[0][0].status == "waived"


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"id": "INFRA-99"}, "INFRA-99"),
        ({"owner": " "}, "owner"),
        ({"expires": "soon"}, "soon"),
        ({"until": "x"}, "until"),
        ({"resources": 7}, "resources"),
    ],
)
def test_a_wrong_waiver_is_an_error_that_names_it(wrong, says):
    with pytest.raises(PolicyError) as caught:
        applied(finding("fail"), entry(**wrong))
    assert "waiver 1" in str(caught.value) and says in str(caught.value)


def test_policy_values_are_typed_bounded_and_known():
    assert Policy({"ssh_max_auth_tries": "2"})["ssh_max_auth_tries"] == 2
    assert Policy({"public_ports": "80, 443"})["public_ports"] == ("80", "443")
    for wrong in (
        {"ssh_max_auth_tries": 11},
        {"ssh_max_auth_tries": "many"},
        {"ssh_max_auth_tries": True},
        {"max_auth": 3},
        {"public_ports": 80},
    ):
        with pytest.raises(PolicyError) as caught:
            Policy(wrong)
        assert next(iter(wrong)) in str(caught.value)


def test_an_unknown_category_is_an_error():
    with pytest.raises(PolicyError):
        engine.select([], ["networking"])


def crash(host, need):
    raise ValueError("s3cret")


def test_a_crashing_collector_costs_its_own_facts_only_and_quotes_nothing():
    facts = collect_all(FakeHost(), [Collector("bad", crash), Collector("good", lambda host, need: 1)], Options())
    assert facts["good"] == 1 and isinstance(facts["bad"], Unread)
    assert "ValueError" in facts["bad"].detail and "s3cret" not in facts["bad"].detail


def test_a_hung_collector_is_given_up_at_its_deadline():
    started = time.monotonic()
    facts = collect_all(
        FakeHost(),
        [
            Collector("hung", lambda host, need: time.sleep(30), deadline=0.2),
            Collector("waits", lambda host, need: need("hung"), deadline=0.5),
            Collector("good", lambda host, need: 1),
        ],
        Options(),
    )
    assert time.monotonic() - started < 5
    assert facts["hung"].reason == facts["waits"].reason == "timeout" and facts["good"] == 1


def test_hidden_material_reaches_other_collectors_and_no_judge():
    facts = collect_all(
        FakeHost(),
        [Collector("raw", lambda host, need: 2, hidden=True), Collector("cooked", lambda host, need: need("raw") + 1)],
        Options(),
    )
    assert facts == {"cooked": 3}


def test_a_fingerprint_stays_while_the_problem_does():
    one, again = (finding("fail", resources=(resource("a", False), resource("b", True))) for _number in range(2))
    other = finding("fail", resources=(resource("b", False),))
    assert one.fingerprint == again.fingerprint != other.fingerprint
