# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an outsider sees of the hosts: the neighbour, a container on the same network, which may be banned without harm."""

from __future__ import annotations

import re

import lab as labs
import yaml
from power import within

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


def open_ports(name):
    """Return the ports of a host on which the neighbour is let in."""
    address = labs.lab(name).address
    return {int(port) for port in within(NEIGHBOUR, "python3", "-", address, str(SCANNED), stdin=SCAN).split()}


def reaches_ssh(name):
    """Whether sshd greets the neighbour."""
    address = labs.lab(name).address
    return "SSH-2.0" in within(
        NEIGHBOUR, "sh", "-c", "busybox timeout 3 busybox nc -w 3 %s 22 </dev/null | head -c 20" % address, check=False
    )


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


def policy():
    """Return the policy that the scenario's user has."""
    scenario = yaml.safe_load((labs.EPHEMERAL / "molecule.yml").read_text())
    return scenario["provisioner"]["inventory"]["group_vars"]["fresh"]["nself_check_policy"]
