# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What harden.yml says of the change of a deployment: what changed, which services were recreated in which order, what is left."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment, hardening, hardening_console
from ansible_collections.nself.prod.plugins.plugin_utils.report.deployment import NOT_HERE, RESULT, from_answer
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import (
    CHECKED,
    DONE,
    FAILED,
    Hardened,
    role_results,
)
from ansible_collections.nself.prod.plugins.plugin_utils.report.remedy import Remedies
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style
from report_samples import finding, host

ANSWER = {
    "changed": True,
    "applicable": True,
    "project": "demo",
    "diff": [{"after_header": "/srv/.nself-prod/nginx/a.conf"}, {"prepared": "redis was made anew (1 s)\n"}],
    "removed": ["mailpit"],
    "recreated": ["nginx", "postgres", "hasura", "auth"],
    "order": [["postgres"], ["hasura", "auth"], ["nginx"]],
    "downtime": {"postgres": 4.25, "hasura": 12.6, "auth": 3, "nginx": 0.81},
    "parts": {
        "nginx": {"services": ["nginx"], "left": ["api: no HSTS"], "settings": ["HSTS_MAX_AGE"]},
        "redis": {"services": [], "left": [], "settings": []},
    },
    "left": ["api: no HSTS", "the images come from nowhere"],
}
SHIPPED = deployment.ROLES


def shown(answer, state=DONE, message="", roles=("nginx", "redis")):
    before = host("web1", [finding("NET-11", "fail", "warning")])
    after = None if state == CHECKED else host("web1", [finding("NET-11", "pass", "warning")])
    variables = {RESULT: answer}
    hardened = Hardened("web1", state, before, after, message, role_results(variables, roles), from_answer(answer))
    return hardened, hardening_console.render([hardened], roles, Style(columns=120), Remedies())


def test_what_changed_in_which_order_and_for_how_long():
    hardened, text = shown(ANSWER)
    assert "Recreated   postgres (4.2 s) → hasura (13 s), auth (3.0 s) → nginx (0.8 s)\n" in text
    assert "Downtime    at most hasura, 13 s\n" in text
    assert "Removed     mailpit\n" in text
    assert "Changed in the deployment\n  /srv/.nself-prod/nginx/a.conf\n  redis was made anew (1 s)\n" in text
    assert "Changed by  deployment\n" in text and "Unchanged" not in text
    assert "By hand     nginx: api: no HSTS\n" in text and "By hand     the images come from nowhere\n" in text
    told = hardening.outcome(hardened, ["nginx"])["deployment"]
    assert told["order"] == ANSWER["order"] and told["downtime"]["postgres"] == 4.25
    assert told["settings"] == {"nginx": ["HSTS_MAX_AGE"]}
    assert told["left"] == ["nginx: api: no HSTS", "the images come from nowhere"]


def test_in_check_mode_it_is_what_would_be_done():
    _hardened, text = shown(dict(ANSWER, downtime={}), CHECKED)
    assert "Recreate    postgres → hasura, auth → nginx\n" in text
    assert "Would change\n  deployment: /srv/.nself-prod/nginx/a.conf, redis was made anew (1 s)\n" in text
    assert "Downtime" not in text and "Changed in the deployment" not in text


def test_a_change_that_was_taken_back_is_not_told_as_made():
    _hardened, text = shown(dict(ANSWER, failed=True, changed=False), FAILED, "deployment (Change it): nginx: no")
    assert "HARDENING FAILED: deployment (Change it): nginx: no" in text
    assert "Recreated" not in text and "Changed in the deployment" not in text
    # What its roles would have mended is no long list then: nothing of it was tried.
    nginx = {"role": "nginx", "vars": [], "restarts": [], "by_hand": "Mend nginx."}
    audit = host("web1", [finding("NET-11", "fail", "warning", fix=nginx), finding("INFRA-05", "fail", "warning")])
    change = from_answer(dict(ANSWER, failed=True))
    text = hardening_console.render(
        [Hardened("web1", FAILED, audit, audit, "no", (), change)], ("sshd", "nginx"), Style(columns=120), Remedies()
    )
    assert "The deployment is as it was: 1 of the checks" in text and "Mend nginx." not in text
    assert "Left (1)\n" in text and "[INFRA-05]" in text


def test_a_host_without_a_deployment_is_excused_once_and_told_why():
    answer = {
        "changed": False,
        "applicable": False,
        "parts": {},
        "left": ["no nself deployment was found on this host"],
    }
    hardened, text = shown(answer, roles=SHIPPED)
    assert text.count("no nself deployment was found") == 1 and "Not here    no nself deployment was found" in text
    # Its roles are neither changed nor unchanged.
    assert hardened.roles == () and "By hand" not in text
    assert "Not here    " + NOT_HERE in shown(dict(answer, left=[]))[1]


def test_what_cannot_be_mended_without_a_running_deployment_closes_no_gate():
    nginx = {"role": "nginx", "vars": [], "restarts": [], "by_hand": "Mend nginx."}
    audit = host("web1", [finding("NET-11", "fail", "critical", fix=nginx)])
    for applicable, reasons in ((False, 0), (True, 1)):
        change = from_answer({"changed": False, "applicable": applicable, "parts": {}, "left": ["it does not run"]})
        hardened = Hardened("web1", DONE, audit, audit, "", (), change)
        assert len(hardening.gate([hardened], SHIPPED, "critical").reasons) == reasons
        text = hardening_console.render([hardened], SHIPPED, Style(columns=120), Remedies())
        assert ("Besides, 1 check fails" in text) is (not applicable)


def test_where_nothing_differs_every_role_is_told_as_unchanged():
    _hardened, text = shown(dict(ANSWER, changed=False, diff=[], recreated=[], removed=[], order=[], downtime={}))
    assert "Unchanged   redis, nginx\n" in text and "Recreated" not in text and "Changed in" not in text


def test_a_run_without_these_roles_says_nothing_of_it():
    assert from_answer(None) is None and from_answer({"changed": False, "skipped": True}) is None
    assert shown(None)[0].change is None


def test_an_answer_of_another_form_is_no_crash_and_no_way_to_the_terminal():
    odd = {"changed": True, "order": "x", "recreated": ["a\033[2J", 3], "parts": [], "left": 1}
    odd["downtime"] = {"a": "long", "b": True}
    assert from_answer(odd) == deployment.Deployment(changed=True, order=(("a?[2J",),))
    assert from_answer(dict(odd, order=[["b"], "c", 4], parts={"nginx": "x", "other": {}})).order == (
        ("b",),
        ("c",),
        ("a?[2J",),
    )


def test_the_change_is_of_many_roles_and_fails_as_one():
    tags = ["nginx", "hasura", "always"]
    assert (
        hardening.failure_of([{"tags": tags, "task": "Change it", "message": "nginx: no"}])
        == "deployment (Change it): nginx: no"
    )
    killed = [
        {"tags": tags, "task": "Change it", "message": "Module result deserialization failed: No start of json char"}
    ]
    assert "the host takes back by itself" in hardening.failure_of(killed)
    both = [{"tags": tags, "task": "A", "message": "x"}, {"tags": ["fail2ban"], "task": "B", "message": "y"}]
    assert hardening.failure_of(both) == "deployment (A): x; fail2ban (B): y"


def test_a_time_is_told_for_people():
    assert [deployment.duration(value) for value in (0.04, 9.96, 61, 600)] == ["0.0 s", "10.0 s", "61 s", "10 min"]
