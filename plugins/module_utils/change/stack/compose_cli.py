# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker compose as it is called for one project: always with the files, the env files and the name that the stack was started with."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import guard
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import NO_REMOTES
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError

# compose takes what an env file says for its own environment where that does not say so itself; root obeys none of it.
GUARDED = {
    "DOCKER_CONFIG": "/root/.docker",
    "LD_PRELOAD": "",
    "LD_LIBRARY_PATH": "",
    "COMPOSE_FILE": "",
    "DOCKER_CONTEXT": "",
}
# How services are made anew where their configuration differs: alone, and from images that are there.
ANEW = ("up", "--detach", "--no-deps", "--no-build", "--pull", "never", "--quiet-pull")
# Its process stays the one that is noted, with its session. The number of the boot is there since a pid means nothing after the next one.
NOTE = """start=$(sed 's/.*) //' /proc/$$/stat | cut -d ' ' -f 20)
echo "$$ $start $(cat /proc/sys/kernel/random/boot_id)" >"$0.new" && mv -f "$0.new" "$0" || exit 1
exec "$@"
"""
_VARIABLE = re.compile(r"\$(?:\{[^{}]*\}|\w+)")
_WARNING = re.compile(r"level=(warning|info|debug)|^\s*$|attribute .version. is obsolete")


class Compose:
    """Calls of docker compose. files: absolute paths, later ones win; env_files: likewise; profiles: those that are switched on."""

    def __init__(
        self,
        host: Any,
        directory: str,
        project: str,
        files: Sequence[str],
        env_files: Sequence[str],
        profiles: Sequence[str],
    ) -> None:
        self.host, self.directory, self.project = host, directory, project
        self.files, self.env_files, self.profiles = tuple(files), tuple(env_files), tuple(profiles)

    def but(
        self,
        files: Optional[Sequence[str]] = None,
        env_files: Optional[Sequence[str]] = None,
        profiles: Optional[Sequence[str]] = None,
    ) -> "Compose":
        """Return the same with other files, other env files, or other profiles."""
        return Compose(
            self.host,
            self.directory,
            self.project,
            self.files if files is None else files,
            self.env_files if env_files is None else env_files,
            self.profiles if profiles is None else profiles,
        )

    def argv(self, *words: str) -> List[str]:
        """Return the command line of a call."""
        out = ["docker", "compose", "--project-name", self.project, "--project-directory", self.directory]
        for path in self.files:
            out += ["--file", path]
        # Without one compose would look for a .env by itself.
        for path in self.env_files or ("/dev/null",):
            out += ["--env-file", path]
        for profile in self.profiles:
            out += ["--profile", profile]
        return out + list(words)

    def run(self, *words: str, timeout: float = 60.0, stdin: str = "", noted: bool = False) -> Completed:
        """Run a call and return how it ended. Raises HostError.

        noted: its process is noted beside that of the run, so that the rollback ends it too: it lives on where the run is killed, and
        would go on to make what the rollback has just taken back.
        """
        argv = self.argv(*words)
        if noted:
            argv = ["sh", "-c", NOTE, guard.STATE + "/" + guard.CHILD] + argv
        cut = noted
        try:
            done: Completed = self.host.run(
                argv, timeout=timeout, stdin=stdin, env=dict(NO_REMOTES, **GUARDED), cwd=self.directory
            )
            cut = noted and done.rc != 0
        finally:
            if cut:
                # Docker may still be stopping containers for a call that has given up.
                with contextlib.suppress(OSError):
                    os.close(os.open(guard.STATE + "/" + guard.CUT, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        return done

    def ask(self, *words: str, timeout: float = 60.0, noted: bool = False) -> str:
        """Return what a call prints. noted: as in run(). Raises ChangeError with what compose said."""
        try:
            done = self.run(*words, timeout=timeout, noted=noted)
        except HostError as error:
            raise ChangeError("docker compose %s: %s" % (words[0], error.detail or error.reason)) from error
        if done.rc:
            raise ChangeError("docker compose %s: %s" % (words[0], said(done)))
        return done.out

    def model(self, interpolate: bool = True) -> Dict[str, Any]:
        """Return the compose model; interpolate: with the variables filled in. Raises ChangeError."""
        words = ["config", "--format", "json"] + ([] if interpolate else ["--no-interpolate"])
        model = json.loads(self.ask(*words))
        # What is printed is meant to be read by compose again, so each $ that is none of its own stands doubled.
        return _single(model) if interpolate else model

    def models(self) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        """Return the model with the variables filled in, and as it stands. Raises ChangeError, with a word on what only the latter fails on."""
        model = self.model()
        try:
            return model, self.model(interpolate=False)
        except ChangeError as error:
            variables = ", ".join(dict.fromkeys(_VARIABLE.findall(str(error)))) or "the variable"
            raise ChangeError(
                "%s. compose reads what is included, and where it is, only with the variables filled in, but the roles have to read it as it "
                "stands: write out %s in `include:`, or in the file that is included. Nothing was changed"
                % (error, variables)
            ) from None

    def hashes(self) -> Dict[str, str]:
        """Return {service: hash of its configuration}, as compose labels the containers that it makes. Raises ChangeError."""
        lines = self.ask("config", "--hash", "*").splitlines()
        return dict(line.split(None, 1) for line in lines if len(line.split()) == 2)


def said(done: Completed) -> str:
    """Return the line of an answer in which compose says what is wrong."""
    lines = [line.strip() for line in (done.err + "\n" + done.out).splitlines() if not _WARNING.search(line)]
    errors = [
        line
        for line in lines
        if re.search(r"error|fail|refus|denied|not |invalid|no such|unhealthy|did not", line, re.I)
    ]
    found = (errors or lines or ["it ended with %d" % done.rc])[-1 if errors else 0]
    return found[:400]


def _single(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _single(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_single(item) for item in value]
    return value.replace("$$", "$") if isinstance(value, str) else value
