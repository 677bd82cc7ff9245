# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit and hardening cost, beside what people know: `ansible -m ping` and, on a bare host, `lynis audit system --quick`.

The hosts are containers with systemd, reached over SSH: a bare one, and one that runs the whole demo project. Runs alternate, so that
the machine's mood strikes all alike, and medians are compared. Nothing is asserted: the numbers are for people.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

import hardening
import hosts

BIN = pathlib.Path(sys.executable).parent
ROW = "%-44s %9s  %s"


def timed(run):
    started = time.monotonic()
    run()
    return time.monotonic() - started


class Bench:
    """What can be measured on a host."""

    def __init__(self, host):
        self.host = host
        self.environment = dict(os.environ, ANSIBLE_CONFIG=str(hosts.ROOT / "ansible.cfg"))
        self.report = host.folder / "report.json"

    def ping(self):
        hosts.sh(BIN / "ansible", "-i", self.host.inventory, "all", "-m", "ping", env=self.environment)

    def audit(self, *more):
        hosts.sh(
            BIN / "ansible-playbook", hosts.ROOT / "playbooks/check.yml", "-i", self.host.inventory, "-e", "nself_check_fail_on=none", *more,
            env=self.environment, cwd=self.host.folder,
        )  # fmt: skip

    def audited(self):
        """Audit and return what the report says of this host."""
        self.audit("-e", "nself_check_output=%s" % self.report)
        return json.loads(self.report.read_text())["hosts"][0]

    def rounds(self, number):
        """Return the medians of ping and audit, alternating, and of what the audit itself says that it took."""
        # The first connection and the first compilation belong to neither.
        self.ping()
        self.audited()
        columns = list(zip(*[(timed(self.ping), timed(self.audited), self._own()) for _unused in range(number)]))
        return [statistics.median(column) for column in columns]

    def module(self, number):
        """Return the peak memory (MB) and the wall (s, a median) of the module on the host, its start and compilation included."""
        for _unused in range(number):
            self.audit("-e", "ansible_python_interpreter=/usr/local/bin/measured-python")
        # A run may ask the interpreter small things besides.
        rows = sorted(self.host.measured(), key=lambda row: row[1])[-number:]
        return max(row[0] for row in rows), statistics.median(row[1] for row in rows)

    def decided(self):
        """Return how many checks have a verdict, and of how many."""
        findings = json.loads(self.report.read_text())["hosts"][0]["findings"]
        return sum(item["status"] not in ("unknown", "not_applicable") for item in findings), len(findings)

    def _own(self):
        return json.loads(self.report.read_text())["hosts"][0]["duration_ms"] / 1000


def show(bench, given, aims):
    """Measure a host and print its table. aims: the multiple of ping, the module's seconds (or None)."""
    pinged, audited, collected = bench.rounds(given.rounds)
    peak, wall = bench.module(given.module_rounds)
    print(ROW % ("ansible -m ping", "%.2f s" % pinged, ""))
    print(
        ROW
        % (
            "ansible-playbook playbooks/check.yml",
            "%.2f s" % audited,
            "%.2f x ping (aim: at most %d)" % (audited / pinged, aims[0]),
        )
    )
    print(ROW % ("module on the host, start to end", "%.2f s" % wall, "(aim: under %d s)" % aims[1] if aims[1] else ""))
    print(ROW % ("of which reading the host", "%.2f s" % collected, ""))
    print(ROW % ("largest process of the module", "%.1f MB" % peak, "(aim: under 60)"))
    print(ROW % ("checks with a verdict", "%d of %d" % bench.decided(), ""))
    return audited


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="alternating runs of ping and audit (7)")
    parser.add_argument(
        "--module-rounds", type=int, default=3, help="runs in which the module is measured on the host (3)"
    )
    parser.add_argument("--lynis-rounds", type=int, default=1, help="runs of Lynis, of which each takes long (1)")
    parser.add_argument("--release", default="12", help="Debian release of the bare host (12)")
    parser.add_argument("--harden-rounds", type=int, default=5, help="alternating runs of ping and harden.yml (5)")
    parser.add_argument("--only", choices=("bare", "stack", "harden"), help="one host (all)")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory(prefix="nself-prod-") as folder:
        if given.only in (None, "bare"):
            with hosts.bare(given.release, folder) as host:
                print(
                    "a bare Debian %s host, medians of %d alternating runs over SSH" % (given.release, given.rounds),
                    flush=True,
                )
                audited = show(Bench(host), given, (2, None))
                lynis = statistics.median(
                    timed(lambda: host.sh("lynis audit system --quick --no-colors >/dev/null 2>&1; true"))
                    for _unused in range(given.lynis_rounds)
                )
                print(
                    ROW
                    % (
                        "lynis audit system --quick",
                        "%.2f s" % lynis,
                        "%.1f x the audit (aim: at least 10)" % (lynis / audited),
                    ),
                    flush=True,
                )
        if given.only in (None, "harden"):
            with hosts.bare(given.release, folder) as host:
                print(
                    "the same host as it is rented, medians of %d alternating runs over SSH" % given.harden_rounds,
                    flush=True,
                )
                hardening.show(host, given.harden_rounds)
        if given.only in (None, "stack"):
            with hosts.stack(folder) as host:
                running = len(host.sh("docker ps --quiet").split())
                print(
                    "a Debian 13 host with %d containers, medians of %d alternating runs over SSH"
                    % (running, given.rounds),
                    flush=True,
                )
                show(Bench(host), given, (3, 3))


if __name__ == "__main__":
    main()
