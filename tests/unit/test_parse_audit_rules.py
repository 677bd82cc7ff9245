# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit rules: rules.d and what the kernel lists."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.audit_rules import parse_rules, parse_status
from hypothesis import given, settings
from hypothesis import strategies as st

ON_DISK = """\
## First rule - delete all
-D
-b 8192
--backlog_wait_time 60000
-f 1
-w /etc/passwd -p wa -k identity
-w /etc/ssh/ -p wa -k ssh
-w /etc/sudoers.d -p wa
-w /etc/docker -k docker
-a always,exit -F arch=b64 -S execve -S execveat -F auid>=1000 -F auid!=unset -F key=exec
-a always,exit -F arch=b64 -F path=/etc/shadow -F perm=wa -F key=identity
-a always,exit -F dir=/etc/group.d -F perm=wa -k x -k y
-a exit,always -F arch=b32 -S adjtimex,settimeofday -k time
-a never,exit -F exe=/usr/sbin/chronyd
-a always,exit -F arch=b64 -S open -F exit=-EACCES -F success=0 -F uid=root -k acc
-a always,exclude -F msgtype=CWD
-A always,exit -F arch=b64 -S mount -C auid!=uid -k mnt
"""
# `auditctl -l` of 3.0.9 (Debian 12) after loading them.
LISTED_3 = """\
-a always,exit -F arch=b64 -S mount -C uid!=auid -F key=mnt
-w /etc/passwd -p wa -k identity
-w /etc/ssh -p wa -k ssh
-w /etc/sudoers.d -p wa
-w /etc/docker -p rwxa -k docker
-a always,exit -F arch=b64 -S execve,execveat -F auid>=1000 -F auid!=-1 -F key=exec
-a always,exit -F arch=b64 -S all -F path=/etc/shadow -F perm=wa -F key=identity
-w /etc/group.d -p wa -k x -k y
-a always,exit -F arch=b32 -S settimeofday,adjtimex -F key=time
-a never,exit -S all -F exe=/usr/sbin/chronyd
-a always,exit -F arch=b64 -S open -F exit=-EACCES -F success=0 -F uid=0 -F key=acc
-a always,exclude -F msgtype=CWD
"""
# 4.0.2 (Debian 13) names the calls that the kernel chose for perm=wa.
LISTED_4 = LISTED_3.replace("-S all -F path", "-S open,bind,truncate,rename,unlinkat,openat2 -F path")
STATUS = """\
enabled 1
failure 1
pid 612
backlog_wait_time_actual 0
loginuid_immutable 0 unlocked
"""


@pytest.mark.parametrize("listed", [LISTED_3, LISTED_4])
def test_rules_on_disk_are_the_same_as_the_kernel_lists_them(listed):
    assert set(parse_rules(ON_DISK)) == set(parse_rules(listed))
    assert set(parse_rules(ON_DISK)) != set(parse_rules(listed.replace("/etc/passwd -p wa", "/etc/passwd -p w")))


def test_plain_watches():
    plain = {rule.path: "".join(sorted(rule.access)) for rule in parse_rules(ON_DISK) if rule.is_plain_watch}
    assert plain == {
        "/etc/passwd": "aw",
        "/etc/ssh": "aw",
        "/etc/sudoers.d": "aw",
        "/etc/docker": "arwx",
        "/etc/shadow": "aw",
        "/etc/group.d": "aw",
    }


@pytest.mark.parametrize(
    "line",
    [
        "-a always,exit -F path=/etc/shadow -F perm=wa -F auid>=1000",
        "-a always,exit -F arch=b64 -S chmod -F path=/etc/shadow",
        "-a never,exit -F path=/etc/shadow -F perm=wa",
    ],
)
def test_a_watch_that_is_narrowed_is_not_plain(line):
    assert [rule.is_plain_watch for rule in parse_rules(line)] == [False]


def test_a_rule_that_stops_everything():
    assert [rule.stops_everything for rule in parse_rules("-a never,task\n-a task,never -F uid=5")] == [True, False]


def test_no_rules():
    assert parse_rules("No rules\n") == []


@pytest.mark.parametrize(
    "line", ["-w", "watch /etc", "-a always,exit -F nonsense", "-W /etc/passwd", '-w "/my dir" -p wa']
)
def test_what_is_no_rule_is_an_error(line):
    with pytest.raises(ValueError):
        parse_rules(line)


def test_status():
    assert parse_status(STATUS)["pid"] == "612"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["-w", "-p", "-a", "-F", "-S", "-C", "-k", "path=/x", "auid!=", "always,exit", "x", "\n", "="])
    )
)
def test_rubbish_raises_nothing_but_value_error(words):
    parse_status(" ".join(words))
    try:
        parse_rules(" ".join(words))
    except ValueError:
        pass
