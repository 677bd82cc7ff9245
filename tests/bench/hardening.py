# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What harden.yml costs on a host that is hardened already: every role of the host, and both audits, beside `ansible -m ping`."""

from __future__ import annotations

import json
import os
import pathlib
import re
import statistics
import sys
import time

import hosts

BIN = pathlib.Path(sys.executable).parent
ROW = "%-44s %9s  %s"
AIM = 20  # times ping
VARIABLES = {"nself_check_policy": {"nopasswd_users": ["deploy"]}, "nself_harden_fail_on": "none"}
RECAP = re.compile(r"^\S+\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


class Hardening:
    """A host that is hardened over and over, by the user who may stay."""

    def __init__(self, host):
        self.host = host
        # root, by whom the audits are measured, is who loses the way in.
        text = host.inventory.read_text()
        self.inventory = host.folder / "deploy.yml"
        self.inventory.write_text(text.replace("ansible_user: root", "ansible_user: deploy"))
        self.environment = dict(os.environ, ANSIBLE_CONFIG=str(hosts.ROOT / "ansible.cfg"))

    def ping(self):
        hosts.sh(BIN / "ansible", "-i", self.inventory, "all", "-m", "ping", env=self.environment)

    def harden(self):
        """Return (tasks that were executed, tasks that changed something)."""
        said = hosts.sh(
            BIN / "ansible-playbook", hosts.ROOT / "playbooks/harden.yml", "-i", self.inventory, "-e", json.dumps(VARIABLES),
            env=self.environment, cwd=self.host.folder,
        )  # fmt: skip
        executed, changed, unreachable, failed = map(int, RECAP.search(said).groups())
        if unreachable or failed:
            sys.exit("bench: harden.yml failed\n%s" % said[-3000:])
        return executed, changed


def timed(run):
    started = time.monotonic()
    result = run()
    return time.monotonic() - started, result


def show(host, rounds):
    """Harden once, then measure further runs beside ping, alternating, and print the table."""
    bench = Hardening(host)
    bench.ping()
    first, (executed, changed) = timed(bench.harden)
    print(
        ROW
        % (
            "harden.yml, the first time",
            "%.2f s" % first,
            "%d tasks executed, %d changed something" % (executed, changed),
        )
    )
    pings, runs = [], []
    for _unused in range(rounds):
        pings.append(timed(bench.ping)[0])
        seconds, (executed, changed) = timed(bench.harden)
        runs.append(seconds)
        if changed:
            sys.exit("bench: harden.yml changed something again")
    pinged, ran = statistics.median(pings), statistics.median(runs)
    print(ROW % ("ansible -m ping", "%.2f s" % pinged, ""))
    print(ROW % ("harden.yml, again", "%.2f s" % ran, "%.1f x ping (aim: at most %d)" % (ran / pinged, AIM)))
    print(ROW % ("tasks that were executed", "%d" % executed, "both audits and the report among them"), flush=True)
