# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody outside can do to a hardened host, and what those who may log in still can."""

from __future__ import annotations

import time

import lab as labs
import outside
import pytest
from outside import HOSTS
from power import address_of, within

# Which ports are open beside ssh: a web server of the host on 80; in a container on 443. A database on 5432, telnet on 23 and a
# published container on 8081 are there too.
PUBLIC = {"fresh12": {22, 80}, "fresh13": {22, 80, 443}}
WEAK = (
    ("MACs=hmac-sha1", "Ciphers=aes256-ctr"),
    ("MACs=hmac-sha1-etm@openssh.com", "Ciphers=aes256-ctr"),
    ("KexAlgorithms=ecdh-sha2-nistp256",),
    ("HostKeyAlgorithms=ecdsa-sha2-nistp256",),
)

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture(params=HOSTS)
def host(request, state):
    return labs.lab(request.param)


def test_the_operator_is_let_in_and_is_root_by_sudo(host):
    assert host.ssh("deploy", command="sudo -n id -u").stdout.strip() == "0"


def test_nobody_else_is_let_in(host):
    assert not host.lets_in("visitor")
    assert not host.lets_in("root")


def test_passwords_are_refused(host):
    for user in ("deploy", "root"):
        said = host.ssh(user, "PreferredAuthentications=password,keyboard-interactive", key=False, password=True)
        assert said.returncode == 255 and "Permission denied (publickey)" in said.stderr


@pytest.mark.parametrize("options", WEAK, ids=lambda options: options[0])
def test_weak_algorithms_are_refused(host, options):
    said = host.ssh("deploy", *options)
    assert said.returncode == 255 and "no matching" in said.stderr


def test_nothing_is_forwarded(host):
    assert "SSH-2.0" not in host.ssh("deploy", forward="127.0.0.1:22").stdout


def test_a_scan_from_next_door_finds_what_is_public_and_nothing_else(host):
    listening = host.listening
    assert {22, 80, 5432} <= listening
    assert outside.open_ports(host.name) == PUBLIC[host.name]


def test_a_published_port_of_a_container_is_closed_and_the_public_one_open(state):
    host = labs.lab("fresh13")
    assert host.sh("docker ps --format '{{.Names}}'").split() and {8081, 443} <= host.listening
    assert not host.answers_on(8081)
    assert host.answers_on(443)


def test_containers_still_reach_the_world(state):
    # Its own engine's bridge lets it out: the neighbour stands for the world.
    address = address_of(outside.NEIGHBOUR)
    said = labs.lab("fresh13").sh("docker exec console /bin/busybox nc -w 3 %s 22 </dev/null | head -c 7" % address)
    assert said.startswith("SSH-2.0")


def test_telnet_is_gone(host):
    assert 23 not in host.listening


def test_who_guesses_is_banned_for_a_time(state):
    guesser = address_of(outside.NEIGHBOUR)
    try:
        for name in HOSTS:
            assert within(name, "fail2ban-client", "get", "sshd", "bantime").strip() == "3600"
            # Not an hour for this test. After a reboot fail2ban remembers by the journal who guessed before.
            within(name, "fail2ban-client", "set", "sshd", "bantime", "20")
            within(name, "fail2ban-client", "unban", guesser)
            assert outside.reaches_ssh(name)
            outside.guess(name, 3)
            wait_until(lambda host=name: guesser in outside.banned(host) and not outside.reaches_ssh(host), 15)
        for name in HOSTS:
            wait_until(lambda host=name: guesser not in outside.banned(host), 30)
            assert 22 in outside.open_ports(name)
    finally:
        for name in HOSTS:
            within(name, "fail2ban-client", "set", "sshd", "bantime", "3600")
            within(name, "fail2ban-client", "unban", guesser)


def wait_until(holds, seconds):
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "not in time"
        time.sleep(0.5)
