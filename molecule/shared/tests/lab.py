# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test hosts as an outsider sees them: logins over the network, and the system's own tools. Nothing here is code of the collection."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import socket
import subprocess
import threading
import time

import testinfra
import yaml

EPHEMERAL = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
PROJECT = pathlib.Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
INVENTORY = EPHEMERAL / "inventory"
DEPLOYMENT = "/var/www/nself"
# Files that compose would take values from, in the order in which the later wins, for each environment.
ENV_FILES = {
    "dev": (".env.dev", ".env.local", ".env"),
    "prod": (".env.dev", ".env.staging", ".env.prod", ".env.secrets", ".env"),
}


class Lab:
    """One test host."""

    def __init__(self, name):
        self.name = name
        instances = yaml.safe_load((EPHEMERAL / "instance_config.yml").read_text())
        self.address = next(item["address"] for item in instances if item["instance"] == name)
        self.inside = testinfra.get_host("ansible://%s?ansible_inventory=%s" % (name, INVENTORY), sudo=True)

    # -- from outside -----------------------------------------------------------------------------------------------------------

    def ssh(self, user, *options, command="true", forward=None, key=True, password=False):
        """Try to log in; return the finished ssh. options: as -o takes them; forward: an address to reach instead of running a command."""
        words = [
            "ssh",
            "-F",
            "none",
            "-o",
            "UserKnownHostsFile=%s/known_hosts" % EPHEMERAL,
            "-o",
            "StrictHostKeyChecking=yes",
        ]
        words += ["-o", "IdentityAgent=none", "-o", "ConnectTimeout=10", "-o", "NumberOfPasswordPrompts=1"]
        if key:
            words += ["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i", str(EPHEMERAL / "id_ed25519")]
        environment = dict(os.environ)
        if password:
            helper = EPHEMERAL / "askpass"
            helper.write_text("#!/bin/sh\ncat '%s'\n" % (EPHEMERAL / "password"))
            helper.chmod(0o700)
            environment.update(SSH_ASKPASS=str(helper), SSH_ASKPASS_REQUIRE="force", DISPLAY="none")
        for option in options:
            words += ["-o", option]
        destination = "%s@%s" % (user, self.address)
        words += ["-W", forward, destination] if forward else [destination, command]
        return subprocess.run(
            words, capture_output=True, text=True, env=environment, timeout=60, stdin=subprocess.DEVNULL, check=False
        )

    def lets_in(self, user, *options, **how):
        """Whether that login works."""
        return self.ssh(user, *options, **how).returncode == 0

    def answers_on(self, port):
        """Whether a TCP connection from outside to that port is accepted."""
        try:
            socket.create_connection((self.address, port), timeout=2).close()
        except OSError:
            return False
        return True

    # -- from inside ------------------------------------------------------------------------------------------------------------

    def sh(self, command):
        """Return what a root shell on the host prints; a command that fails gives what it printed until then."""
        # A command that ends with 255 looks to ssh like its own failure.
        return self.inside.run("%s\n:" % command).stdout

    @functools.cached_property
    def sshd(self):
        return dict(line.split(" ", 1) for line in self.sh("/usr/sbin/sshd -T").splitlines() if " " in line)

    @functools.cached_property
    def listening(self):
        """Ports that the kernel says are open beyond loopback."""
        addresses = [line.split()[3] for line in self.sh("ss -Hltn").splitlines()]
        return {int(address.rsplit(":", 1)[1]) for address in addresses if not address.startswith(("127.", "[::1]"))}

    def sysctl(self, name):
        return self.sh("sysctl -n %s" % name).strip()

    @functools.cached_property
    def containers(self):
        """docker inspect of the project's containers, by service; None where the host has no engine."""
        if not self.sh("command -v docker").strip():
            return None
        found = json.loads(self.sh("docker inspect $(docker ps -q --filter label=com.docker.compose.project)"))
        return {item["Config"]["Labels"]["com.docker.compose.service"]: item for item in found}

    @functools.cached_property
    def compose(self):
        """The compose file, as YAML says it."""
        return yaml.safe_load(self.sh("cat %s/docker-compose.yml" % DEPLOYMENT))["services"]

    @functools.cached_property
    def settings(self):
        """The env files of the deployment, one after the other in the order in which a shell would read them."""
        environment = "prod" if "ENV=prod" in self.sh("cat %s/.env" % DEPLOYMENT) else "dev"
        return self.sh(
            "cd %s; for file in %s; do cat $file 2>/dev/null; echo; done"
            % (DEPLOYMENT, " ".join(ENV_FILES[environment]))
        )

    def expanded(self, text):
        """Return a value of the compose file with its variables replaced by a shell that has read the env files."""
        script = 'set -a\n%s\nprintf %%s "%s"' % (self.settings, text.replace('"', '\\"'))
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, env={}, check=True).stdout

    def environment(self, service):
        """The environment of a service: of its container where it runs, else as its compose file and env files would make it."""
        if self.containers is not None:
            return dict(item.split("=", 1) for item in self.containers[service]["Config"]["Env"])
        given = self.compose[service].get("environment", {})
        pairs = given.items() if isinstance(given, dict) else (item.split("=", 1) for item in given)
        return {name: self.expanded(str(value)) for name, value in pairs}


@functools.lru_cache(maxsize=None)
def lab(name):
    return Lab(name)


class Idle(threading.Thread):
    """A connection that never says who it is, held open to see when sshd gives up on it."""

    def __init__(self, host):
        super().__init__(daemon=True)
        self.started = time.monotonic()
        self.ended = None
        self.socket = socket.create_connection((host.address, 22), timeout=300)
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while self.socket.recv(4096):
                pass
        self.ended = time.monotonic() - self.started

    def ended_within(self, seconds):
        """Whether sshd closed the connection before it was that old; waits where it is younger."""
        self.join(max(0.0, seconds - (time.monotonic() - self.started)))
        return self.ended is not None and self.ended <= seconds


def play(*arguments, directory="/", inventory=INVENTORY):
    """Run the playbook from an unrelated folder; return the finished process with all its output in stdout."""
    environment = dict(os.environ, ANSIBLE_CONFIG=str(EPHEMERAL / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    words = ["ansible-playbook", str(PROJECT / "playbooks/check.yml"), "-i", str(inventory), *arguments]
    return subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def report(path):
    """Return a report's hosts by name."""
    return {host["host"]: host for host in json.loads(pathlib.Path(path).read_text())["hosts"]}


def statuses(host):
    """Return {id: status} of a host in a report."""
    return {finding["id"]: finding["status"] for finding in host["findings"]}
