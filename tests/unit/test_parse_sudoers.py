# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudoers: who becomes root without a password. The expectations were compared with `cvtsudoers -e -f json` of sudo 1.9.16."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.parse.sudoers import include_of, logical_lines, passwordless
from hypothesis import given, settings
from hypothesis import strategies as st

DEBIAN = """\
# This file MUST be edited with the 'visudo' command as root.
Defaults\tenv_reset
Defaults\tsecure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults\tuse_pty
#Defaults:%sudo env_keep += "http_proxy https_proxy ftp_proxy all_proxy no_proxy"

# User privilege specification
root\tALL=(ALL:ALL) ALL
# Allow members of group sudo to execute any command
%sudo\tALL=(ALL:ALL) ALL
"""
ALIASES = """\
User_Alias OPS = alice, bob : ADMINS = %adm, OPS
Host_Alias WEBS = web, 10.1.2.3
Runas_Alias DBA = postgres, mysql
Cmnd_Alias SHELLS = /bin/sh, /bin/bash
Cmnd_Alias EVERY = SHELLS, ALL
"""


def free(text):
    return passwordless(logical_lines(ALIASES + text))


def test_what_debian_ships():
    assert passwordless(logical_lines(DEBIAN)) == []


@pytest.mark.parametrize(
    "line, who",
    [
        ("deploy ALL=(ALL) NOPASSWD: ALL", ["deploy"]),
        ("deploy ALL=(ALL:ALL)NOPASSWD:ALL", ["deploy"]),
        ("%sudo ALL=NOPASSWD: ALL", ["%sudo"]),
        ("#1000 ALL=(ALL) NOPASSWD: ALL # a comment", ["#1000"]),
        ("ALL ALL=(root) NOPASSWD: ALL", ["ALL"]),
        ("deploy ALL=(ALL) SETENV: NOPASSWD : ALL", ["deploy"]),
        ("deploy ALL=(ALL) /bin/ls, NOPASSWD: /bin/cat, ALL", ["deploy"]),
        ("deploy ALL=(postgres) NOPASSWD: /bin/ls, (root) ALL", ["deploy"]),
        ("deploy WEBS=(ALL, !root) NOPASSWD: ALL, !/bin/su", ["deploy"]),
        ("deploy web=/bin/ls : db=NOPASSWD: ALL", ["deploy"]),
        ("deploy ALL = \\\n  NOPASSWD: \\\n  ALL", ["deploy"]),
        ("ADMINS ALL=(ALL) NOPASSWD: EVERY", ["%adm", "alice", "bob"]),
        ("alice, bob , !carol ALL=(ALL) NOPASSWD: ALL", ["alice", "bob"]),
        ("deploy ALL=(ALL) CWD=/tmp NOPASSWD: ALL", ["deploy"]),
        ("deploy ALL=NOPASSWD: sha224:0GomF8mNN3wlDt1HD9XldjJ3SNgpFdbjO1+NsQ== ALL", ["deploy"]),
        ("deploy ALL=(root) NOPASSWD: SHELLS", ["deploy"]),
        ("visitor ALL=(root) NOPASSWD: ^.*$", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: ^/usr/bin/[[:alnum:]]+$", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: ^/usr/bin/(ls|\\w+)$ ^.*$", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: ^/bin/[a-z]{2,4}$, /bin/ls", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /bin/*, /usr/bin/*", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /*/*", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/[[\\:alpha\\:]]*", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /bin/*, !/bin/bash, !/bin/su", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /bin/bash", ["visitor"]),
        ('visitor ALL=(root) NOPASSWD: /bin/bash ""', ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /bin/sh -c *", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /bin/bash /opt/nself/*.sh", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/su, /bin/ls", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/su - root", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/sudo", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/sbin/visudo", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/vim /etc/motd", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: /usr/bin/python3.11", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: sudoedit", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: sudoedit /etc/sudoers", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: sudoedit /etc/sudoers.d/*", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: sudoedit /etc/motd /etc/shadow", ["visitor"]),
        ("visitor ALL=(root) NOPASSWD: sudoedit /etc/*", ["visitor"]),
        ("Defaults!SHELLS !authenticate", ["ALL"]),
        ("Defaults !authenticate", ["ALL"]),
        ("Defaults env_reset, !authenticate", ["ALL"]),
        ("Defaults:OPS !authenticate", ["alice", "bob"]),
        ("Defaults>root !authenticate", ["ALL"]),
        ("Defaults!EVERY !authenticate", ["ALL"]),
        ("Defaults exempt_group=admin", ["%admin"]),
    ],
)
def test_free_way_to_root(line, who):
    assert free(line) == who


@pytest.mark.parametrize(
    "line",
    [
        "deploy ALL=(ALL) ALL",
        "# deploy ALL=(ALL) NOPASSWD: ALL",
        "root ALL=(ALL) NOPASSWD: ALL",
        "deploy ALL=(ALL) NOPASSWD: /usr/bin/docker ps, PASSWD: SHELLS",
        "deploy ALL=(postgres) NOPASSWD: SHELLS",
        "deploy ALL=(root) NOPASSWD: /usr/bin/systemctl restart nginx, /usr/bin/apt-get update",
        "deploy ALL=(root) NOPASSWD: /opt/nself/bin/*, /opt/nself/bin/",
        "deploy ALL=(root) NOPASSWD: /bin/bash /opt/nself/backup.sh",
        "deploy ALL=(root) NOPASSWD: /usr/bin/python3 /opt/nself/manage.py *",
        "deploy ALL=(root) NOPASSWD: /usr/bin/su - postgres, /usr/bin/chown deploy /srv/app",
        "deploy ALL=(root) NOPASSWD: ^/usr/bin/systemctl$ ^restart [a-z]+$",
        "deploy ALL=(root) NOPASSWD: /usr/bin/systemctl status *, /usr/bin/journal*",
        "deploy ALL=(root) NOPASSWD: sudoedit /etc/nginx/nginx.conf, sudoedit /etc/nginx/*",
        "deploy ALL=(root) NOPASSWD: !/bin/bash, /usr/sbin/visudo -c",
        "deploy ALL=(ALL) NOPASSWD: /bin/ls, PASSWD: ALL",
        "deploy ALL=(postgres) NOPASSWD: ALL",
        "deploy ALL=(DBA : adm) NOPASSWD: ALL",
        "deploy ALL=(:docker) NOPASSWD: ALL",
        "deploy ALL=(ALL) NOPASSWD: !ALL",
        "deploy ALL=(ALL) NOPASSWD: /usr/bin/x a\\,ALL",
        "deploy ALL=(ALL) NOPASSWD: /usr/bin/re ^(a,ALL)$",
        "Defaults:bob authenticate",
        "Defaults !authenticate\nDefaults authenticate",
        "Defaults!/bin/ls !authenticate",
        "Defaults>postgres !authenticate",
        'Defaults badpass_message="NOPASSWD: ALL # !authenticated"',
    ],
)
def test_no_free_way_to_root(line):
    assert free(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "deploy",
        "deploy ALL",
        "deploy = ALL",
        "deploy ALL=(ALL ALL",
        "User_Alias lower = x",
        "a b c = ALL",
        "a ALL=",
        "a ALL=NOPASSWD: ^(/bin$",
    ],
)
def test_what_is_not_understood_is_an_error(line):
    with pytest.raises(ValueError):
        free(line)


def test_aliases_that_name_each_other_end():
    assert passwordless(["User_Alias A = B", "User_Alias B = A, eve", "A ALL = NOPASSWD: ALL"]) == ["A", "eve"]


@pytest.mark.parametrize(
    "line, include",
    [
        ("@includedir /etc/sudoers.d", ("includedir", "/etc/sudoers.d")),
        ("#includedir /etc/sudoers.d", ("includedir", "/etc/sudoers.d")),
        ("#include /etc/sudoers.local", ("include", "/etc/sudoers.local")),
        ('@include "/etc/my sudoers"', ("include", "/etc/my sudoers")),
        ("# include /etc/sudoers.local", None),
        ("deploy ALL=ALL", None),
    ],
)
def test_includes(line, include):
    assert [include_of(kept) for kept in logical_lines(line)] == ([] if line.startswith("# ") else [include])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*'=:,()!"\\# \n^$%', "ALL", "NOPASSWD:", "a", "Defaults", "User_Alias", "A", "(root)"]))
)
def test_rubbish_raises_nothing_but_value_error(parts):
    try:
        assert isinstance(passwordless(logical_lines("".join(parts))), list)
    except ValueError:
        pass
