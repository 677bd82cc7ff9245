# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller that runs a guarded change, and can be killed with all that it has started."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
# What can be run: the playbook, and which of its variables says how long the guard waits.
RUNS = {
    "trial": ("plays/trial.yml", "trial_guard_seconds"),
    "sshd": ("plays/sshd.yml", "sshd_guard_seconds"),
    "ufw": ("plays/ufw.yml", "ufw_guard_seconds"),
    "lockdown": ("../../playbooks/lockdown.yml", "nself_lockdown_guard_seconds"),
}
_NUMBERS = itertools.count(1)


class Controller:
    """One operator at one host, with an inventory and connections of their own."""

    def __init__(self, host, user="deploy", sockets="%C"):
        self.host = host
        self.user = user
        self.socket = sockets
        # A path of a socket has to be short.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="nsp-"))
        self.sockets = self.folder / "cm"
        self.sockets.mkdir(mode=0o700)
        self.inventory = self.folder / "hosts.json"

    def connect(self):
        """Open the connection that the run will go over, as a run does that was begun before the fault."""
        options = (
            "-o",
            "ControlMaster=yes",
            "-o",
            "ControlPath=%s/%s" % (self.sockets, self.socket),
            "-o",
            "ControlPersist=300",
        )
        words = self.host.ssh(self.user, 22, "true", options=options)
        subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=30)

    def start(self, run, options, guard):
        """Start a run; return the process. Its output goes to .output()."""
        playbook, seconds = RUNS[run]
        return self.play((HERE / playbook).resolve(), dict({seconds: guard}, **options))

    def play(self, playbook, options, *more):
        """Start a playbook; return the process. more: further words for ansible-playbook."""
        arguments = "-F none -o UserKnownHostsFile={0} -o StrictHostKeyChecking=yes -o HostKeyAlias={1}"
        arguments += " -o IdentityAgent=none -o IdentitiesOnly=yes -o ControlMaster=auto -o ControlPersist=300"
        variables = {
            "ansible_host": self.host.address(),
            "ansible_user": self.user,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.host.key),
            "ansible_ssh_args": " ".join([arguments.format(self.host.known_hosts, self.host.name), *self.host.client]),
            "ansible_control_path": "%s/%s" % (self.sockets, self.socket.replace("%", "%%")),
            "ansible_ssh_pipelining": True,
        }
        self.inventory.write_text(json.dumps({"all": {"hosts": {self.host.name: variables}}}))
        environment = dict(
            os.environ,
            ANSIBLE_CONFIG=str(HERE / "ansible.cfg"),
            ANSIBLE_COLLECTIONS_PATH=str(ROOT / "playbooks/collections"),
            ANSIBLE_NOCOLOR="1",
        )
        words = ["ansible-playbook", str(playbook), "-i", str(self.inventory), "-e", json.dumps(options), *more]
        with open(self.folder / ("output-%d" % next(_NUMBERS)), "wb") as stream:
            process = subprocess.Popen(
                words, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment, cwd="/"
            )
        process.path = pathlib.Path(stream.name)
        return process

    def kill(self, process):
        """End a run as a crash would: nothing of it gets to clean up, its connection to the host included."""
        process.send_signal(signal.SIGSTOP)  # so that it starts nothing more meanwhile
        for number in [*_descendants(process.pid), process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()
        self.disconnect()

    def disconnect(self):
        """End the connections, without a word to the host."""
        for path in self.sockets.iterdir():
            words = ["ssh", "-F", "none", "-o", "ControlPath=%s" % path, "-O", "check", "nobody"]
            said = subprocess.run(words, capture_output=True, text=True, check=False).stderr
            if "pid=" in said:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(said.split("pid=")[1].split(")")[0]), signal.SIGKILL)
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def close(self):
        self.disconnect()
        shutil.rmtree(self.folder, ignore_errors=True)


def _descendants(parent):
    """Return the processes that a process has started, and they, and so on."""
    children = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = []
    pending = [parent]
    while pending:
        for child in children.get(pending.pop(), []):
            found.append(child)
            pending.append(child)
    return found
