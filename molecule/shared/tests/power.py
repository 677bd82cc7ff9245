# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts from below: as root in their containers, without ssh, and started anew."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import time

import lab as labs
from testinfra.utils import ansible_runner


def container(name):
    """Return the name of a host's container."""
    return "nself-prod-%s-%s" % (os.environ.get("NSELF_PROD_CHECKOUT") or "local", name)


def within(name, *words, stdin=None, check=True):
    """Run a command as root in a host's container, without ssh; return what it printed."""
    done = subprocess.run(
        ["docker", "exec", "-i", container(name), *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, "%s: %s%s" % (" ".join(words), done.stdout, done.stderr)
    return done.stdout


def address_of(name):
    """Return where a host is now: a container that was restarted may be elsewhere."""
    words = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container(name)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def reboot(names):
    """Restart the hosts and wait until they have booted. What knew their addresses learns the new ones."""
    subprocess.run(["docker", "restart", "--time", "5", *map(container, names)], capture_output=True, check=True)
    for name in names:
        for _ in range(120):
            state = within(name, "systemctl", "is-system-running", check=False).strip()
            if state in ("running", "degraded"):
                break
            time.sleep(0.5)
        old, new = labs.lab(name).address, address_of(name)
        for path in (labs.EPHEMERAL / "instance_config.yml", labs.EPHEMERAL / "known_hosts", *_inventories()):
            path.write_text(re.sub(r"(?<![\d.])%s(?![\d.])" % re.escape(old), new, path.read_text()))
    labs.lab.cache_clear()
    # testinfra keeps what it read of an inventory.
    ansible_runner.AnsibleRunner._runners.clear()


def _inventories():
    return [
        path for path in pathlib.Path(labs.INVENTORY).rglob("*") if path.is_file() and labs.EPHEMERAL in path.parents
    ]
