# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host from both sides: through its container as root, whatever becomes of ssh, and through ssh as the operator comes."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shlex
import subprocess
import tempfile
import time
from typing import Mapping

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = "/root/lockout-words"
TOKEN = "/run/lockout-watch"
CALLED_OFF = 77  # how a watcher ends that saw nothing
UNITS = ("nself-prod-rollback.timer", "nself-prod-rollback.service")


class Failed(RuntimeError):
    """The host did not do what it was told. The message is what it said."""


class Moved(Failed):
    """Another container took the host's address while it was away."""


class Host:
    """name: what it is called; container: what its container is; folder: where the operator's key (id_ed25519) is.

    place: where its words are on the host; words: {name there: file here}.
    """

    place = FOLDER
    words: Mapping[str, pathlib.Path] = {name: HERE / name for name in ("prelude.sh", "state.py")}

    def __init__(self, name, container, folder):
        self.name = name
        self.container = container
        self.key = pathlib.Path(folder) / "id_ed25519"
        self.client = []
        self._own = tempfile.TemporaryDirectory(prefix="nsp-")
        self.known_hosts = pathlib.Path(self._own.name) / "known_hosts"

    # -- from inside ------------------------------------------------------------------------------------------------------------

    def install(self):
        """Copy the words of the faults onto the host."""
        for name, path in self.words.items():
            text = path.read_text(encoding="utf-8")
            self._docker("mkdir -p {0}; cat >{0}/{1}".format(self.place, name), text)

    def sh(self, script, seconds=60):
        """Run shell with the words of prelude.sh; return what it printed. Raises Failed."""
        return self._docker(". %s/prelude.sh\n%s" % (self.place, script), seconds=seconds)

    def watch(self, condition, script):
        """Start to wait for a condition, and then run a script; return the process. It ends with 77 where it was called off."""
        words = ". %s/prelude.sh\nwatch_for %s %s\n%s" % (self.place, TOKEN, shlex.quote(condition), script)
        return subprocess.Popen(
            ["docker", "exec", self.container, "sh", "-c", words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call_off(self, watcher):
        """Let nothing happen any more that is still waited for; return what the watcher said."""
        self._docker("rm -f %s" % TOKEN)
        return watcher.communicate(timeout=60)[0]

    def state(self):
        """Return {what: text} of everything that a guarded change may touch."""
        return json.loads(self._docker("python3 %s/state.py show %s" % (self.place, self.gateway())))

    def keep(self):
        self._docker("python3 %s/state.py keep" % self.place)

    def back(self):
        """Bring back what was kept."""
        self._docker("python3 %s/state.py back" % self.place)

    def armed(self, since):
        """Return (when the guard was armed, when the rollback had ended) since then, as the host's journal says; None for never."""
        words = "journalctl --no-pager --quiet --output=json --since=@%.6f %s" % (
            since,
            " ".join("UNIT=%s" % unit for unit in UNITS),
        )
        times = {"armed": None, "back": None}
        for line in self._docker(words).splitlines():
            entry = json.loads(line)
            what = (entry.get("UNIT"), entry.get("JOB_TYPE"), entry.get("JOB_RESULT"))
            if what == (UNITS[0], "start", "done") and times["armed"] is None:
                times["armed"] = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
            if what[0] == UNITS[1] and what[2] == "done":
                times["back"] = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        return times["armed"], times["back"]

    def at_rest(self, seconds):
        """Wait until no guard is armed and no rollback runs; return whether that came in time."""
        script = "wait_for %d sh -c '! systemctl --quiet is-active %s'" % (seconds, " ".join(UNITS))
        # `activating` is what a oneshot is while it runs.
        script += "\nwait_for %d sh -c '[ \"$(systemctl is-active %s)\" != activating ]'" % (seconds, UNITS[1])
        try:
            self.sh(script, seconds * 2 + 10)
        except Failed:
            return False
        return True

    def _docker(self, script, stdin=None, seconds=60):
        words = ["docker", "exec", "-i", self.container, "sh", "-c", script]
        how = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, check=False, **how)
        except subprocess.TimeoutExpired:
            raise Failed("no end within %d s: %s" % (seconds, script[-300:])) from None
        if done.returncode:
            raise Failed((done.stderr or done.stdout)[-1500:] or "ended with %d" % done.returncode)
        return done.stdout

    # -- the machine under it ---------------------------------------------------------------------------------------------------

    def _inspect(self, what):
        words = ["docker", "inspect", "--format", what, self.container]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def address(self):
        return self._inspect("{{.NetworkSettings.IPAddress}}")

    def gateway(self):
        """Where the operator comes from, as the host sees it."""
        return self._inspect("{{.NetworkSettings.Gateway}}")

    def reboot(self):
        """Take the power away, and give it back. Raises Moved where the host comes up at another address, as no server would."""
        address = self.address()
        for word in ("kill", "start"):
            subprocess.run(["docker", word, self.container], capture_output=True, check=True)
        # A container's /proc/sys is read-only; a server's is not.
        self._docker("mount -o remount,rw /proc/sys")
        if self.address() != address:
            raise Moved("the host came up at %s instead of %s" % (self.address(), address))

    @contextlib.contextmanager
    def unplugged(self):
        """Pull the host's network cable: the end of it that is not in the host."""
        index = self._docker("cat /sys/class/net/eth0/iflink").strip()
        image = self._inspect("{{.Config.Image}}")
        script = "ip link set dev $(ip -o link | sed -n 's/^%s: \\([^@:]*\\).*/\\1/p') " % index
        words = ["docker", "run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", image, "sh", "-c"]
        subprocess.run([*words, script + "down"], check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run([*words, script + "up"], check=True, capture_output=True)

    def learn(self, kind="", client=()):
        """Know the host's keys of a kind (all), by its name: its address may change. client: options of every ssh to it."""
        self.client = [word for option in client for word in ("-o", option)]
        keys = [key for key in self._docker("cat /etc/ssh/ssh_host_*_key.pub").splitlines() if key.startswith(kind)]
        self.known_hosts.write_text("".join("%s %s\n" % (self.name, key) for key in keys))

    # -- from outside -----------------------------------------------------------------------------------------------------------

    def ssh(self, user, port=22, *words, options=()):
        """Return the words of an ssh that comes as the operator does."""
        given = [
            "ssh",
            "-F",
            "none",
            "-o",
            "UserKnownHostsFile=%s" % self.known_hosts,
            "-o",
            "StrictHostKeyChecking=yes",
        ]
        given += [
            "-o",
            "HostKeyAlias=%s" % self.name,
            "-o",
            "IdentityAgent=none",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "BatchMode=yes",
        ]
        given += ["-i", str(self.key), "-p", str(port), *self.client, *options]
        return [*given, "%s@%s" % (user, self.address()), *words]

    def lets_in(self, user="deploy", port=22):
        """Whether a login over a new connection works, and sudo after it."""
        options = ("-o", "ControlMaster=no", "-o", "ControlPath=none", "-o", "ConnectTimeout=3")
        words = self.ssh(user, port, "sudo -n true", options=options)
        return (
            subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False).returncode
            == 0
        )

    def lets_in_within(self, seconds, **how):
        """Try until a login works; return when it did, or None."""
        end = time.time() + seconds
        while True:
            started = time.time()
            if self.lets_in(**how):
                return time.time()
            if time.time() > end:
                return None
            time.sleep(max(0.0, started + 1 - time.time()))
