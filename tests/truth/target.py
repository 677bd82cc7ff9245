# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A live test host, through its container: shell as root, and the audit as it stands in this checkout."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "playbooks/collections"))

from ansible_collections.nself.prod.plugins.plugin_utils.outside import look  # noqa: E402

OPTIONS = json.loads((HERE / "options.json").read_text(encoding="utf-8"))
COLLECTION = "ansible_collections/nself/prod/plugins"


# An audit on the heels of others is told 429 by the limits that nself and the roles set, the slowest of which gives ten requests back in a minute.
TOLD_TO_WAIT = ("by 429", "answered 429", "limits requests")
CALM = 20  # seconds
TRIES = 6


class Failed(RuntimeError):
    """The host did not do what it was told. The message is what it said."""


class Target:
    """One host. container: the name of its container; options: what the audit is given (policy, outside …)."""

    def __init__(self, container, options=None, folder="/root/truth"):
        self.container = container
        self.options = options or {}
        self.folder = folder

    def install(self):
        """Copy the audit and the words of the mutations onto the host."""
        with tempfile.TemporaryFile() as stream:
            with tarfile.open(fileobj=stream, mode="w") as archive:
                archive.add(ROOT / "plugins/module_utils", COLLECTION + "/module_utils", filter=_no_cache)
                for name in ("prelude.sh", "merge.py", "audit.py"):
                    archive.add(HERE / name, name)
            stream.seek(0)
            self._docker("rm -rf {0}/ansible_collections; mkdir -p {0}; tar -C {0} -xf -".format(self.folder), stream)

    def sh(self, script, seconds=180):
        """Run shell with the words of prelude.sh; return what it printed. Raises Failed."""
        return self._docker(". %s/prelude.sh\n%s" % (self.folder, script), None, seconds)

    def audit(self):
        """Return {check: (status, actual, {resource: status})}, of an audit that was not told to ask less often, if there is one within two minutes."""
        for _ in range(TRIES - 1):
            found = self._audit_once()
            if not told_to_wait(found):
                return found
            time.sleep(CALM)
        return self._audit_once()

    def _audit_once(self):
        text = json.dumps(dict(self.options, outside=look(self.address())))
        out = self._docker(
            "cd %s && PYTHONPATH=. exec python3 audit.py '%s'" % (self.folder, text.replace("'", "'\\''")), None
        )
        return {check: tuple(value) for check, value in json.loads(out).items()}

    def address(self):
        """Return where the host is reached from outside."""
        words = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", self.container]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    def _docker(self, script, stdin, seconds=180):
        words = ["docker", "exec", "-i", self.container, "sh", "-c", script]
        try:
            done = subprocess.run(
                words, stdin=stdin or subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise Failed("no end within %d s" % seconds) from None
        if done.returncode:
            raise Failed((done.stderr or done.stdout).decode("utf-8", "replace")[-1500:])
        return done.stdout.decode("utf-8", "replace")


def told_to_wait(found):
    """Say whether a verdict is missing since the one who was asked limits requests."""
    return any(
        status == "unknown" and any(words in actual for words in TOLD_TO_WAIT)
        for status, actual, _resources in found.values()
    )


def _no_cache(entry):
    return None if "__pycache__" in entry.name else entry
