# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts that are measured: containers with systemd, reached over SSH, that exist meanwhile."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT.parent / "shared/deployments/nself-0.9.9-demo"
OWN = ROOT / "tests/hosts/deployment/fresh"
COMMON = "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --cgroupns private --tmpfs /run --tmpfs /run/lock --tmpfs /tmp:exec"
BARE = "--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW --cap-add AUDIT_CONTROL"
# An engine inside gets all that this machine can give, as in molecule/shared/create.yml.
ENGINE = "--cap-add ALL --cap-drop SYS_RESOURCE --device-cgroup-rule"
# Notes the peak memory (KiB) and the wall (s) of each module in a file of its own, and is the module's interpreter in all else.
WRAPPER = """#!/bin/sh
exec /usr/bin/time --quiet -f '%M %e' -o /root/measured.$$ /usr/bin/python3 "$@"
"""


def sh(*words, **options):
    """Run a command that has to work; return what it printed."""
    command = [str(word) for word in words]
    options.setdefault("stdin", None if "input" in options else subprocess.DEVNULL)
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(
            "bench: %s ended with %d\n%s%s" % (words[0], done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        )
    return done.stdout


class Host:
    """A running host. inventory: the path of one that names it alone."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        self.inventory = folder / "inventory.yml"

    def sh(self, script):
        """Run shell inside; return what it printed."""
        return sh("docker", "exec", "-i", self.name, "sh", "-s", input=script)

    def script(self, path):
        """Run a script of the checkout inside."""
        return self.sh((ROOT / path).read_text())

    def put(self, folder, where):
        """Copy a folder's content into one of the host's."""
        self.sh("mkdir -p %s" % where)
        sh("docker", "cp", "%s/." % folder, "%s:%s" % (self.name, where))

    def measured(self):
        """Return [(peak memory in MB, wall in s)] of the modules that ran by measured-python since the last call."""
        rows = [line.split() for line in self.sh("cat /root/measured.*; rm -f /root/measured.*").splitlines()]
        return [(int(row[0]) / 1024, float(row[1])) for row in rows if len(row) == 2]


@contextlib.contextmanager
def bare(release, folder):
    """A host with no engine, on which the project's files lie."""
    with _started("bare", release, BARE.split(), folder) as host:
        host.sh("ufw allow 22/tcp; ufw --force enable")
        host.put(DEMO if DEMO.is_dir() else OWN, "/var/www/nself")
        yield host


@contextlib.contextmanager
def stack(folder):
    """A host that runs the whole demo project, made by what makes the hosts of molecule/stack."""
    volume = "nself-prod-bench-%d" % os.getpid()
    sh(ROOT / "tests/hosts/stack-volume", volume)
    try:
        options = [*ENGINE.split(), "a *:* rwm", "--volume", "%s:/var/lib/docker" % volume]
        with _started("stack", "13", options, folder) as host:
            host.script("molecule/check/files/writable-cgroups.sh")
            host.sh("systemctl start docker.service")
            host.put(DEMO if DEMO.is_dir() else OWN, "/var/www/nself")
            host.sh("chown -R deploy:deploy /var/www/nself; chmod -R u=rwX,g=rX,o=rX /var/www/nself")
            host.script("molecule/stack/files/as-nself.sh")
            host.script("molecule/stack/files/start.sh")
            yield host
    finally:
        subprocess.run(["docker", "volume", "rm", "--force", volume], capture_output=True, check=False)


@contextlib.contextmanager
def _started(kind, release, options, folder):
    folder = pathlib.Path(folder) / kind
    folder.mkdir(exist_ok=True)
    host = Host("nself-prod-bench-%d-%s" % (os.getpid(), kind), folder)
    (folder / "key").unlink(missing_ok=True)
    sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
    try:
        sh(
            "docker",
            "run",
            "--detach",
            "--name",
            host.name,
            "--hostname",
            kind,
            *COMMON.split(),
            *options,
            "nself-prod-test/debian:%s" % release,
        )
        key = (folder / "key.pub").read_text().strip()
        boot = (ROOT / "molecule/shared/files/first-boot.sh").read_text()
        keys = host.sh("key='%s'; password=$(openssl rand -hex 16)\n%s" % (key, boot))
        host.sh(
            "install -d -m 0700 /root/.ssh; echo '%s' >/root/.ssh/authorized_keys\n"
            "cat >/usr/local/bin/measured-python <<'EOF'\n%sEOF\nchmod 0755 /usr/local/bin/measured-python"
            % (key, WRAPPER)
        )
        address = sh("docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", host.name).strip()
        (folder / "known_hosts").write_text(
            "".join("%s %s\n" % (address, line) for line in keys.splitlines() if line.startswith("ssh-"))
        )
        host.inventory.write_text(
            "all:\n  hosts:\n    %s:\n      ansible_host: %s\n      ansible_user: root\n      ansible_python_interpreter: /usr/bin/python3\n"
            "      ansible_ssh_private_key_file: %s/key\n      ansible_ssh_common_args: -o UserKnownHostsFile=%s/known_hosts\n"
            % (kind, address, folder, folder)
        )
        yield host
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", host.name], capture_output=True, check=False)
