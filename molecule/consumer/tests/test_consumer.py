# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role that somebody else's playbook included: it came from the artifact, obeys that playbook's variables, and its check mode only tells."""

from __future__ import annotations

import json
import os
import re
import subprocess

import lab as labs
import pytest

COLLECTIONS = labs.EPHEMERAL / "collections/ansible_collections/nself/prod"
PLAYBOOK = labs.PROJECT / "molecule/consumer/converge.yml"
TREE = "find /etc/ssh /etc/systemd -type f -exec sha256sum {} + 2>/dev/null | sort; /usr/sbin/sshd -T"
BOTH = json.dumps({"site_users": ["deploy", "visitor"]})


@pytest.fixture
def host():
    return labs.lab("consumer12")


def play(tmp_path, *arguments):
    """Run the playbook from an unrelated folder; return what it said, and its count of changed tasks."""
    environment = dict(os.environ, ANSIBLE_CONFIG=str(labs.EPHEMERAL / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    words = ["ansible-playbook", str(PLAYBOOK), "-i", str(labs.INVENTORY), "-vv", *arguments]
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout, int(re.search(r"changed=(\d+)", done.stdout).group(1))


def enters(host, user, port=22):
    # The host's keys are known for port 22.
    return host.lets_in(user, "Port=%d" % port, "HostKeyAlias=" + host.address)


def test_what_ran_is_the_artifact(tmp_path):
    assert (COLLECTIONS / "MANIFEST.json").is_file() and not (COLLECTIONS / "molecule").exists()
    said, changed = play(tmp_path, "--check")
    assert changed == 0
    assert "task path: %s/roles/sshd/tasks/main.yml" % COLLECTIONS in said
    assert "task path: %s/roles" % labs.PROJECT not in said


@pytest.mark.parametrize("port", [22, 2222])
def test_the_playbooks_own_variables_govern(host, port):
    assert enters(host, "deploy", port)
    assert not enters(host, "visitor", port)
    assert not enters(host, "root", port)
    assert (host.sshd["maxauthtries"], host.sshd["banner"]) == ("2", "/etc/issue.net")


def test_passwords_and_weak_algorithms_are_refused(host):
    assert not host.lets_in("deploy", "PubkeyAuthentication=no", key=False, password=True)
    assert not host.lets_in("deploy", "KexAlgorithms=diffie-hellman-group14-sha256")
    assert "Only for those who work here." in host.ssh("deploy").stderr


def test_check_mode_tells_what_other_variables_would_do_and_a_run_does_it(host, tmp_path):
    before = host.sh(TREE)
    said, foretold = play(tmp_path, "--check", "--diff", "-e", BOTH)
    assert foretold == 1 and re.search(r"^\+AllowUsers deploy visitor", said, re.M), said
    assert host.sh(TREE) == before and not enters(host, "visitor")
    _said, changed = play(tmp_path, "-e", BOTH)
    assert changed == foretold and enters(host, "visitor") and enters(host, "deploy")
    assert play(tmp_path)[1] == 1 and not enters(host, "visitor")
    assert host.sh(TREE) == before
