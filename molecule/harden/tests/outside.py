# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an outsider sees of the hosts: the neighbour, a container on the same network, which may be banned without harm."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import time

import lab as labs
import yaml
from testinfra.utils import ansible_runner

HOSTS = ("fresh12", "fresh13")
NEIGHBOUR = "neighbour"
SCANNED = 12000  # ports, from 1 on; all that the hosts listen on is among them
# Connects to every port at once and prints those that accept.
SCAN = """
import resource, selectors, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8000), hard))
address, last = sys.argv[1], int(sys.argv[2])
found = set()
for first in range(1, last, 4000):
    with selectors.DefaultSelector() as waiting:
        for port in range(first, min(first + 4000, last + 1)):
            probe = socket.socket()
            probe.setblocking(False)
            probe.connect_ex((address, port))
            waiting.register(probe, selectors.EVENT_WRITE, port)
        ends = time.monotonic() + 1.5
        while waiting.get_map() and time.monotonic() < ends:
            for key, _ in waiting.select(max(0, ends - time.monotonic())):
                if key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(key.data)
                waiting.unregister(key.fileobj)
                key.fileobj.close()
        for key in list(waiting.get_map().values()):
            key.fileobj.close()
print(*sorted(found))
"""


def container(name):
    """Return the name of a host's container."""
    return "nself-prod-%s-%s" % (os.environ.get("NSELF_PROD_CHECKOUT") or "local", name)


def within(name, *words, stdin=None, check=True):
    """Run a command as root in a host's container, without ssh; return what it printed."""
    done = subprocess.run(
        ["docker", "exec", "-i", container(name), *words], input=stdin, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, "%s: %s%s" % (" ".join(words), done.stdout, done.stderr)
    return done.stdout


def open_ports(name):
    """Return the ports of a host on which the neighbour is let in."""
    address = labs.lab(name).address
    return {int(port) for port in within(NEIGHBOUR, "python3", "-", address, str(SCANNED), stdin=SCAN).split()}


def reaches_ssh(name):
    """Whether sshd greets the neighbour."""
    address = labs.lab(name).address
    return "SSH-2.0" in within(NEIGHBOUR, "sh", "-c", "busybox timeout 3 busybox nc -w 3 %s 22 </dev/null | head -c 20" % address, check=False)


def guess(name, times):
    """Let the neighbour try to log in as somebody who is not there."""
    words = "-F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=3"
    # The ban may strike in the middle of a login, which then would hang.
    once = "timeout 4 ssh %s oracle@%s true" % (words, labs.lab(name).address)
    within(NEIGHBOUR, "sh", "-c", "for i in $(seq %d); do %s; done" % (times, once), check=False)


def banned(name):
    """Return the addresses that fail2ban keeps out of ssh."""
    found = re.search(r"Banned IP list:(.*)", within(name, "fail2ban-client", "status", "sshd"))
    return found.group(1).split()


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
    return [path for path in pathlib.Path(labs.INVENTORY).rglob("*") if path.is_file() and labs.EPHEMERAL in path.parents]


def policy():
    """Return the policy that the scenario's user has."""
    scenario = yaml.safe_load((labs.EPHEMERAL / "molecule.yml").read_text())
    return scenario["provisioner"]["inventory"]["group_vars"]["fresh"]["nself_check_policy"]
