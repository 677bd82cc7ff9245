# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit costs, beside what people know: `ansible -m ping` and `lynis audit system --quick`, on one host in one run.

The host is a container with systemd, reached over SSH. Runs alternate, so that the machine's mood strikes all alike, and medians are
compared. Nothing is asserted: the numbers are for people.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "AUDIT_CONTROL")
# Notes the peak memory of each module in a file of its own, and is the module's interpreter in all else.
WRAPPER = """#!/bin/sh
exec /usr/bin/time --quiet -f %M -o /root/peak.$$ /usr/bin/python3 "$@"
"""


def sh(*words, **options):
    """Run a command that has to work; return what it printed."""
    command = [str(word) for word in words]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode != 0:
        sys.exit("bench: %s ended with %d\n%s%s" % (words[0], done.returncode, done.stdout[-2000:], done.stderr[-2000:]))
    return done.stdout


@contextlib.contextmanager
def host(release, folder):
    """A test host that exists meanwhile; gives a function to run things in it and the inventory's path."""
    name = "nself-prod-bench-%d" % os.getpid()
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    options = [word for capability in CAPABILITIES for word in ("--cap-add", capability)]
    options += ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined", "--cgroupns", "private"]
    options += ["--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"]
    sh("docker", "run", "--detach", "--name", name, "--hostname", "bench", *options, "nself-prod-test/debian:%s" % release)
    try:

        def inside(command):
            return sh("docker", "exec", name, "sh", "-c", command)

        public = (folder / "key.pub").read_text().strip()
        inside(
            "for _ in $(seq 120); do case $(systemctl is-system-running) in running | degraded) break;; esac; sleep 0.5; done;"
            "mount -o remount,rw /proc/sys; install -d -m 0700 /root/.ssh;"
            "echo '%s' >/root/.ssh/authorized_keys; ufw allow 22/tcp; ufw --force enable" % public
        )
        deployment = ROOT.parent / "shared/deployments/nself-0.9.9-demo"
        if not deployment.is_dir():
            deployment = ROOT / "tests/hosts/deployment/fresh"
        inside("mkdir -p /var/www")
        sh("docker", "cp", deployment, "%s:/var/www/nself" % name)
        address = sh("docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", name).strip()
        keys = inside("cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
        (folder / "known_hosts").write_text("%s %s\n" % (address, " ".join(keys)))
        inside("cat >/usr/local/bin/measured-python <<'EOF'\n%sEOF\nchmod 0755 /usr/local/bin/measured-python" % WRAPPER)
        inventory = folder / "inventory.yml"
        inventory.write_text(
            "all:\n  hosts:\n    bench:\n      ansible_host: %s\n      ansible_user: root\n      ansible_python_interpreter: /usr/bin/python3\n"
            "      ansible_ssh_private_key_file: %s/key\n      ansible_ssh_common_args: -o UserKnownHostsFile=%s/known_hosts\n"
            % (address, folder, folder)
        )
        yield inside, inventory
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)


def timed(run):
    started = time.monotonic()
    run()
    return time.monotonic() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="alternating runs of ping and audit (7)")
    parser.add_argument("--lynis-rounds", type=int, default=1, help="runs of Lynis, of which each takes long (1)")
    parser.add_argument("--release", default="12", help="Debian release of the host (12)")
    given = parser.parse_args()
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))

    with tempfile.TemporaryDirectory(prefix="nself-prod-") as folder, host(given.release, pathlib.Path(folder)) as (inside, inventory):

        def ping():
            sh(BIN / "ansible", "-i", inventory, "all", "-m", "ping", env=environment)

        def audit(*more):
            sh(
                BIN / "ansible-playbook", ROOT / "playbooks/check.yml", "-i", inventory, "-e", "nself_check_fail_on=none", *more,
                env=environment, cwd=folder,
            )

        # The first connection and the first compilation belong to neither.
        ping()
        audit()
        rounds = [(timed(ping), timed(audit)) for _unused in range(given.rounds)]
        lynis = [timed(lambda: inside("lynis audit system --quick --no-colors >/dev/null 2>&1; true")) for _unused in range(given.lynis_rounds)]
        audit("-e", "ansible_python_interpreter=/usr/local/bin/measured-python")
        peak = max(int(line) for line in inside("cat /root/peak.*").split() if line.isdigit()) / 1024

    pinged, audited = (statistics.median(column) for column in zip(*rounds))
    print("median of %d alternating runs on one Debian %s host over SSH" % (given.rounds, given.release))
    print("%-36s %8s %s" % ("", "seconds", "the audit is"))
    print("%-36s %8.2f" % ("ansible-playbook playbooks/check.yml", audited))
    print("%-36s %8.2f %.2f x as long   (aim: at most 2)" % ("ansible -m ping", pinged, audited / pinged))
    print("%-36s %8.2f %.1f x as fast   (aim: at least 10)" % ("lynis audit system --quick", statistics.median(lynis), statistics.median(lynis) / audited))
    print("%-36s %8.1f MB             (aim: under 60)" % ("peak memory of the module, host", peak))


if __name__ == "__main__":
    main()
