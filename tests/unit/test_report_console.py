# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console report: the guide's layout, honest about the terminal, and closed to what hosts send."""

from __future__ import annotations

import re

import pytest
from ansible_collections.nself.prod.plugins.plugin_utils.report import console
from ansible_collections.nself.prod.plugins.plugin_utils.report.remedy import Remedies, shipped
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import GUIDE, NO_DEPLOYMENT, finding, host, lost, resource

PLAIN = Style(79)
BY_HAND = Remedies()
SHIPPED = Remedies("playbooks/harden.yml", frozenset(("auth",)), ("inventory",))

GUIDE_ON_SCREEN = """\
nself production security check
===============================

Host        web1, Debian GNU/Linux 13 (trixie), kernel 6.12.48
Deployment  shop in /opt/nself (environment prod)
Evidence    checks decided: 17 on what runs

Authentication
  ✓ The Hasura console is off
  ✓ Hasura's developer mode is off
  ✓ The admin secret is strong
  ✓ The JWT key is strong
  ✓ Passwords are long
  ✗ Logins are rate limited: the limit is off

Network
  ✓ Every public name speaks HTTPS
  ✓ Only TLS 1.2 and 1.3 are spoken
  ✓ HSTS is on
  ✓ Only ssh, http and https are public

Data
  ✓ Passwords are stored as SCRAM
  ✗ An audit log is written: there is no audit log
  ✓ Files with secrets are private

Infrastructure
  ✓ The firewall denies by default
  ✓ Few password tries per connection
  ✓ Security updates install themselves
  ✗ Containers have limits: 2 of 9: postgres: no memory limit; redis: no memory
    limit

Score: 85/100
Coverage: decided 17 of 17 (100 %)

Critical issues
  none

Warnings
   1. Logins are rate limited [AUTH-25]
      ansible-playbook playbooks/harden.yml -i inventory --tags auth --limit web1
   2. An audit log is written [DATA-18]
      by hand: Create the audit log table and its triggers.
   3. Containers have limits [INFRA-31]
      by hand: Give each service a memory limit in the override file.

Recommendations
  none
"""


def shown(*hosts, style=PLAIN, remedies=BY_HAND, verbose=False):
    return console.render(hosts, style, remedies, verbose)


def test_the_sample_of_the_guide():
    sample = host("web1", GUIDE)
    assert sample.report["score"] == 85
    assert shown(sample, remedies=SHIPPED) == GUIDE_ON_SCREEN


def test_verbose_shows_all_of_a_failing_check_and_the_command_that_mends_it():
    text = shown(host("web1", GUIDE), remedies=SHIPPED, verbose=True)
    start = text.index("✗ AUTH-25")
    assert (
        text[start : text.index("\n\nNetwork")]
        == """\
✗ AUTH-25 Logins are rate limited (warning)
      expected  at most 5 tries in 15 minutes
      actual    the limit is off
      declared  AUTH_RATE_LIMIT_ENABLED=true in .env.prod
      evidence  on what runs
      why       Without a limit, passwords can be guessed as fast as the server
                answers.
      mend      ansible-playbook playbooks/harden.yml -i inventory --tags auth --limit web1"""
    )
    assert "      ✗ postgres: no memory limit\n" in text
    assert "512 MB" not in text


def test_a_command_is_shown_only_where_the_collection_ships_it():
    assert "ansible-playbook" not in shown(host("web1", GUIDE), verbose=True)
    without_role = Remedies("playbooks/harden.yml", frozenset(("sshd",)))
    assert "ansible-playbook" not in shown(host("web1", GUIDE), remedies=without_role, verbose=True)


def test_a_command_survives_a_shell(tmp_path):
    remedies = Remedies("harden.yml", frozenset(("sshd",)), ("my hosts", "web1,"))
    command = remedies.command(finding("INFRA-05")["fix"], "web1; reboot")
    assert command == "ansible-playbook harden.yml -i 'my hosts' -i web1, --tags sshd --limit 'web1; reboot'"


def test_what_is_shipped_is_looked_up_where_the_collection_is(tmp_path):
    (tmp_path / "roles/sshd/tasks").mkdir(parents=True)
    (tmp_path / "roles/planned").mkdir()
    assert shipped(str(tmp_path)).command({"role": "sshd"}, "h") is None
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks/harden.yml").touch()
    found = shipped(str(tmp_path), [str(tmp_path / "inventory"), "/elsewhere/hosts"], str(tmp_path))
    assert found.command({"role": "sshd"}, "h") == (
        "ansible-playbook playbooks/harden.yml -i inventory -i /elsewhere/hosts --tags sshd --limit h"
    )
    assert found.command({"role": "planned"}, "h") is None


def test_an_installed_collection_is_called_by_its_name(tmp_path):
    root = tmp_path / "ansible_collections/nself/prod"
    (root / "roles/sshd/tasks").mkdir(parents=True)
    (root / "playbooks").mkdir()
    (root / "playbooks/harden.yml").touch()
    assert shipped(str(root)).command({"role": "sshd"}, "h").startswith("ansible-playbook nself.prod.harden ")


def test_each_status_has_its_mark():
    waiver = {"id": "NET-02", "owner": "alice", "reason": "Old clients", "expires": "2027-01-31"}
    text = shown(
        host(
            "h",
            [
                finding("NET-01", "unknown"),
                finding("NET-02", "waived", waiver=waiver),
                finding("NET-03", "not_applicable"),
                finding("NET-04", "unknown", reason="timeout", actual="docker: no answer within 5 s"),
            ],
        )
    )
    assert "  ? Check NET-01: needs root\n" in text
    assert "  ~ Check NET-02 (waived by alice until 2027-01-31)\n" in text
    assert "  ? Check NET-04: no answer in time (docker: no answer within 5 s)\n" in text
    assert "  – 1 not applicable\n" in text
    assert "Undecided   2 checks: needs root (1), no answer in time (1)\n" in text
    assert "Score: 0/100 (without waivers: 0)\nCoverage: decided 0 of 2 (0 %)\n" in text


def test_verbose_says_why_a_check_does_not_apply_and_why_one_is_waived():
    waiver = {"id": "NET-02", "owner": "alice", "reason": "Old clients", "expires": "2027-01-31"}
    findings = [finding("NET-02", "waived", waiver=waiver), finding("NET-03", "not_applicable", actual="no nginx runs")]
    text = shown(host("h", findings), verbose=True)
    assert "because   no nginx runs\n" in text
    assert "waived    Old clients\n" in text


def test_issues_are_sorted_by_severity():
    text = shown(
        host(
            "h",
            [finding("NET-%02d" % n, "fail", s) for n, s in enumerate(("recommendation", "warning", "critical"), 1)],
        )
    )
    places = [
        text.index(word)
        for word in (
            "Critical issues\n   1. Check NET-03",
            "Warnings\n   1. Check NET-02",
            "Recommendations\n   1. Check NET-01",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "deployment, expected",
    [
        (NO_DEPLOYMENT, "Deployment  none found on this host, so the checks that need one do not apply"),
        (
            dict(NO_DEPLOYMENT, state="ambiguous", candidates=["a", "b"], message="2 projects: a, b"),
            "Deployment  2 projects: a, b",
        ),
        (dict(NO_DEPLOYMENT, state=None, message=None), "Deployment  could not be determined"),
        (None, "Deployment  could not be determined"),
    ],
)
def test_the_head_says_which_deployment(deployment, expected):
    assert expected in shown(host("h", [finding("NET-01")], deployment=deployment)).splitlines()


def test_the_head_says_what_limits_the_audit():
    expired = {"id": "NET-09", "owner": "bob", "reason": "r", "expires": "2026-01-01"}
    text = shown(
        host(
            "h",
            [finding("NET-01", level="rendered"), finding("NET-02", "fail")],
            notes=["could not become root (sudo is not installed)"],
            waivers={"used": [], "unused": [], "expired": [expired]},
        )
    )
    assert "Evidence    checks decided: 1 on what runs, 1 on the rendered compose file\n" in text
    assert "Note        could not become root (sudo is not installed)\n" in text
    assert "Waiver      of bob for NET-09 ended on 2026-01-01 and no longer counts\n" in text


def test_verbose_sums_up_what_was_not_read():
    problems = [{"fact": "sysctl.%d" % n, "reason": "error", "detail": "no"} for n in range(3)]
    problems.append({"fact": "fail2ban", "reason": "tool_absent", "detail": ""})
    text = shown(host("h", [finding("NET-01")], problems=problems), verbose=True)
    assert "Not read    sysctl.0: no, and 2 more of sysctl\n" in text
    assert "Not read    fail2ban: a tool is absent\n" in text


def test_nothing_decided_is_no_score():
    assert "Score: none, as nothing that counts was decided\nCoverage: decided 0 of 0\n" in shown(host("h"))


def test_a_lost_host_alone_is_one_clear_line():
    assert "Host gone was not audited (unreachable): Connection timed out\n" in shown(lost("gone"))


# -- the terminal ------------------------------------------------------------------------------------------------------


def test_no_sequence_without_colour_and_the_same_text_with_it():
    hosts = [host("web1", GUIDE), lost("gone")]
    plain = shown(*hosts, verbose=True)
    coloured = shown(*hosts, style=Style(79, colour=True), verbose=True)
    assert "\033" not in plain
    assert re.sub(r"\033\[[0-9;]*m", "", coloured) == plain
    assert coloured != plain


def test_a_terminal_without_unicode_gets_ascii():
    text = shown(host("wéb", GUIDE + [finding("NET-03", "unknown", actual="≥ 5 – so")]), style=Style(79, unicode=False))
    assert text.isascii()
    assert "[ok] The Hasura console is off" in text
    assert "[!!] Logins are rate limited" in text
    assert "[??] Check NET-03" in text


EVIL = "\033]0;owned\007\033[2J\r\n\u202egnp.exe\u2028\x9b31m\ud800\x00"


def test_a_host_cannot_write_to_the_terminal():
    evil = finding(
        "NET-01",
        "fail",
        title="t" + EVIL,
        actual=EVIL,
        expected=EVIL,
        why=EVIL,
        evidence=[EVIL],
        declared={"name": EVIL, "value": EVIL, "file": EVIL},
        resources=[resource(EVIL, actual=EVIL)],
        fix={"role": EVIL, "vars": [], "restarts": [], "by_hand": EVIL},
    )
    sample = host("h", [evil], notes=[EVIL], problems=[{"fact": EVIL, "reason": "error", "detail": EVIL}])
    for text in (
        shown(sample, verbose=True),
        shown(sample),
        shown(lost("h", EVIL)),
        shown(lost("h", EVIL), lost("i", EVIL)),
    ):
        assert all(c == "\n" or c.isprintable() for c in text)
        text.encode("utf-8")


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=300), columns=st.integers(72, 120), unicode=st.booleans())
def test_no_text_breaks_the_layout(text, columns, unicode):
    sample = host("h", [finding("NET-01", "fail", title=text, actual=text), finding("NET-02", "unknown", actual=text)])
    for verbose in (False, True):
        for line in shown(
            sample, lost("gone", text), style=Style(columns, unicode=unicode), verbose=verbose
        ).splitlines():
            assert len(line) <= columns
            assert line.isprintable()


# -- several hosts -----------------------------------------------------------------------------------------------------


def broken():
    return [dict(f, status="fail", severity="critical") if f["id"] == "AUTH-01" else f for f in GUIDE]


def test_a_fleet_is_a_table_with_the_worst_first():
    text = shown(
        host("web1", GUIDE),
        host("web2", broken()),
        host("db1", GUIDE[:3], deployment=NO_DEPLOYMENT),
        lost("gone", "Connection timed out"),
        lost("odd", "its Python 3.6.8 is too old", unreachable=False),
    )
    assert (
        text
        == """\
nself production security check
===============================

5 hosts: 3 audited, 1 unreachable, 1 failed; lowest score 59/100

host  score  critical  warnings  unknown  coverage  deployment
gone      –         –         –        –         –  unreachable
odd       –         –         –        –         –  failed
web2     59         1         3        0     100 %  shop
web1     85         0         3        0     100 %  shop
db1     100         0         0        0     100 %  none

Not audited
  gone: Connection timed out
  odd: its Python 3.6.8 is too old

Failing on most hosts
  2 of 3  Logins are rate limited [AUTH-25, warning]
  2 of 3  An audit log is written [DATA-18, warning]
  2 of 3  Containers have limits [INFRA-31, warning]

Each host's findings: -e nself_check_verbose=true, or --limit one of them.
"""
    )


def test_few_hosts_are_shown_in_full():
    text = shown(host("web1", GUIDE), lost("gone"))
    assert "✗ Logins are rate limited" in text
    assert text.count("gone") == 2


def test_many_hosts_are_shown_in_full_when_asked_for():
    text = shown(*[host("web%d" % n, GUIDE) for n in range(5)], verbose=True)
    assert all("Host        web%d," % n in text for n in range(5))
