# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands by which the host itself brings the old containers back, once the old files are there."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Any, Iterable, List, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import CUT, FOLDER, STATE
from ansible_collections.nself.prod.plugins.module_utils.change.stack import drift
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override as overrides
from ansible_collections.nself.prod.plugins.module_utils.change.stack.compose_cli import ANEW, GUARDED, Compose
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import (
    as_written,
    companions,
    ends_by_itself,
    never_healthy,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import Stack, write_private
from ansible_collections.nself.prod.plugins.module_utils.deployment.render import NO_REMOTES

WAS = FOLDER + "/was.yml"  # how containers run that were made before the files were changed
STAND_IN = FOLDER + "/override.yml"  # for an override that compose refuses
TOUCHED = STATE + "/touched"  # there from when the first container goes
# Where no container was touched yet, none is made anew for nothing.
ONCE_TOUCHED = ["sh", "-c", '[ ! -e "$0" ] || exec "$@"', TOUCHED]
# What compose has made to take a container's place, and never started: where it was cut off, that is in the way of who makes it after it.
# $0: there once a container was touched; $1: project; the rest: services.
LEAVINGS = """[ -e "$0" ] || exit 0
project=$1
shift
for service do
    docker ps --all --quiet --no-trunc --filter status=created --filter label=com.docker.compose.replace \\
        --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$service"
done | xargs -r docker rm --force --
"""
# Docker goes on to stop a container whoever has asked for it is gone, and until then it seems to run: so where a call of compose was cut
# off, what is then stopped is started again. $0: there where one was; $1: project; $2: services; $3: seconds; the rest: how to start them.
STILL_UP = """[ -e "$0" ] || exit 0
project=$1 services=$2 left=$3
shift 3
while [ "$left" -gt 0 ]; do
    there=" $(docker ps --filter "label=com.docker.compose.project=$project" --format '{{.Label "com.docker.compose.service"}}' | tr '\n' ' ')"
    for service in $services; do
        case $there in *" $service "*) ;; *) "$@"; break ;; esac
    done
    sleep 1
    left=$((left - 1))
done
"""
_CALL = re.compile(r"`env [^`]*docker compose [^`]* up ([^`]*)`")
_OPTIONS = ANEW + ("--no-start",)
# $1: a folder; $2: where it really is; $3: its owner; $4: its mode. Root does not go where a link leads that came later.
HANDS_BACK = """[ -d "$1" ] && [ "$(readlink -f "$1")" = "$2" ] || exit 0
chown -h "$3" "$2" && chmod "$4" "$2"
"""
# After a power cut Docker may hold the port of a container that it had begun to remove: nothing of it runs any more, and only an engine that
# is started again lets go. Whoever else has the port keeps it. $@: how to start the services.
LEAKED = """said=$("$@" 2>&1)
code=$?
printf '%s\\n' "$said"
port=$(printf '%s\\n' "$said" | sed -n 's/.*Bind for .*:\\([0-9][0-9]*\\) failed: port is already allocated.*/\\1/p' | head -n 1)
[ "$code" -ne 0 ] && [ -n "$port" ] || exit "$code"
! docker ps --format '{{.Ports}}' | grep -q ":$port->" || exit "$code"
echo "Docker holds port $port for a container that is gone, so it is started again"
systemctl restart docker.service && exec "$@"
"""
STOP = 10  # seconds that Docker gives a container to stop where it is told no other time


def commands(
    stack: Stack, touched: Sequence[str], again: Sequence[str], made: Sequence[str], unwell: Iterable[str] = ()
) -> List[List[str]]:
    """Return the commands.

    touched: services whose container does not stay; again: those that are only started again; made: new folders; unwell: services that
    were not well before.
    """
    if not touched and not again:
        return []
    old = stack.on_disk()
    try:
        current = as_written(stack, old) | set(touched)
    except ChangeError:
        current = set()  # files that compose refuses: what ran by them is started again all the same
    current -= never_healthy(unwell, stack.services)
    files = list(old.files) + _freeze(stack, touched, old)
    # The unit's environment is empty, so compose would take what an env file says there.
    guarded = ["env"] + ["%s=%s" % pair for pair in sorted(dict(NO_REMOTES, **GUARDED).items())]
    asleep = [name for name in touched if stack.stopped(name) and not ends_by_itself(stack.services.get(name) or {})]
    awake = [name for name in touched if name not in asleep]
    # nginx does not start as long as one is not there that it passes requests to.
    last = [name for name in awake if name in stack.of("nginx")]

    def up(names: List[str], *more: str) -> List[str]:
        return old.but(files=files).argv(*ANEW, *more, *names, *companions(names, stack.services, current))

    out = [["sh", "-c", LEAVINGS, TOUCHED, stack.project] + list(touched)] if touched else []
    for names in ([name for name in awake if name not in last], last, asleep):
        if names:
            # What somebody had stopped stays so.
            call = up(names, *(["--no-start"] if names is asleep else []))
            out.append(guarded + ONCE_TOUCHED + ["sh", "-c", LEAKED, "sh"] + call)
    if awake:
        out.append(guarded + _still_up(stack, awake) + up(awake))
    # Only then do they see the old files.
    out += [ONCE_TOUCHED + ["docker", "restart", str((stack.inspect(name) or {}).get("Id"))] for name in again]
    out.append(["rm", "-f", "--", WAS])
    for name in stack.of("nginx"):
        # With every name it knows: it looks them up only when it starts or reads its files again.
        container = str((stack.inspect(name) or {}).get("Name") or "").lstrip("/")
        if container:
            out.append(["sh", "-c", 'docker exec "$1" nginx -s reload || true', "sh", container])
    if made:
        out.append(["sh", "-c", 'rmdir -- "$@" 2>/dev/null || true', "sh"] + list(made))
    return out


def folders_back(stack: Stack, folders: Iterable[str]) -> List[List[str]]:
    """Return the commands that give these folders, as far as they are there, the owner and the mode that they have now."""
    out = []
    for path in dict.fromkeys(map(stack.path, folders)):
        if os.path.isdir(path):
            real = os.path.realpath(path)
            info = os.stat(real)
            access = ["%d:%d" % (info.st_uid, info.st_gid), "%o" % stat.S_IMODE(info.st_mode)]
            out.append(["sh", "-c", HANDS_BACK, "sh", path, real] + access)
    return out


def in_short(outcome: str) -> List[str]:
    """Return what a rollback met with, without the words around its calls that say nothing to who reads it."""
    short = _CALL.sub(
        lambda found: (
            "`docker compose up %s`" % " ".join(word for word in found.group(1).split() if word not in _OPTIONS)
        ),
        outcome,
    )
    short = re.sub(r"`sh -c [^`]*(docker restart \w{12})\w*`", r"`\1`", short)
    return list(dict.fromkeys(short.split("; ")))


def _still_up(stack: Stack, names: Sequence[str]) -> List[str]:
    """Return what to put before the call that starts these services, so that it is made again as long as one of them does not run."""
    running = [name for name in names if stack.running(name)]
    stops = [((stack.inspect(name) or {}).get("Config") or {}).get("StopTimeout") for name in running]
    seconds = max([STOP if given is None else max(STOP, int(given)) for given in stops] or [0]) + 5
    lasting = [name for name in running if not ends_by_itself(stack.services.get(name) or {})]
    return ["sh", "-c", STILL_UP, STATE + "/" + CUT, stack.project, " ".join(lasting), str(seconds)]


def stand_in(stack: Stack, text: str) -> None:
    """Keep an override that compose takes in the place of the one that lies there, which it refuses; text: "" where it takes that."""
    clear(stack)
    if text:
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        write_private(STAND_IN, text)
        stack.stand_in = STAND_IN


def clear(stack: Stack) -> None:
    """Take away what was kept for the commands."""
    stack.stand_in = ""
    for path in (WAS, STAND_IN):
        with contextlib.suppress(OSError):
            os.unlink(path)


def _freeze(stack: Stack, touched: Sequence[str], old: Compose) -> List[str]:
    """Keep how containers run that are not as their files say: with the files alone they would not come back as they were."""
    with contextlib.suppress(OSError):
        os.unlink(WAS)
    try:
        model: Any = old.model().get("services") or {}
        was = drift.frozen(stack, [name for name in touched if stack.running(name)], model)
    except ChangeError:
        return []  # files that compose refuses
    if not was:
        return []
    os.makedirs(FOLDER, 0o700, exist_ok=True)
    write_private(WAS, overrides.yaml(was))
    return [WAS]
