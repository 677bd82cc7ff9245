# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A live test host, through its container: shell as root, and the audit as it stands in this checkout."""

from __future__ import annotations

import json
import pathlib
import re
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
# What an audit says of a service that it, or the run before it, asked too often.
TOO_OFTEN = re.compile(r"\b429\b|limits requests")
CALM = 12  # audits at most until none is answered so
PAUSE = 8.0  # seconds between them: the slowest limit of the roles forgets a request in twelve


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
        """Return {check: (status, actual, {resource: status})}."""
        text = json.dumps(dict(self.options, outside=look(self.address())))
        out = self._docker(
            "cd %s && PYTHONPATH=. exec python3 audit.py '%s'" % (self.folder, text.replace("'", "'\\''")), None
        )
        return {check: tuple(value) for check, value in json.loads(out).items()}

    def calm_audit(self, tries=CALM, pause=PAUSE):
        """Return an audit that no rate limit stood in the way of, the last one where there was none: a 429 tells nothing."""
        for _ in range(tries - 1):
            found = self.audit()
            if not too_often(found):
                return found
            time.sleep(pause)
        return self.audit()

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


def too_often(found):
    """Return the checks of an audit that are not known because a rate limit answered."""
    return sorted(check for check, (status, text, _) in found.items() if status == "unknown" and TOO_OFTEN.search(text))


def _no_cache(entry):
    return None if "__pycache__" in entry.name else entry
