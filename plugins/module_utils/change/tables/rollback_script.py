# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script and the units of the rollback: plain sh and coreutils, since a host in trouble may have nothing else."""

from __future__ import annotations

from string import Template
from typing import Mapping

SCRIPT = Template(
    """#!/bin/sh
# Written by nself.prod: puts back what a change replaced that nothing has confirmed.
state=$STATE
# With all that it has started: a command that goes on would change things after us.
end() (
    kill -STOP "$$1" 2>/dev/null
    for child in $$(cat "/proc/$$1"/task/*/children 2>/dev/null); do end "$$child"; done
    kill -KILL "$$1" 2>/dev/null
)
# Field 22 of stat, counted from the end of the name: that one may hold blanks.
started() { sed 's/.*) //' "/proc/$$1/stat" 2>/dev/null | cut -d ' ' -f 20; }
alive() { [ -n "$$2" ] && [ "$$(started "$$1")" = "$$2" ]; }
exec 9>>$LOCK
if flock -w 20 9; then :; else
    echo "the lock $LOCK was not to be had"
    # One is at work. Else a run hangs that holds the lock, and its change is the one to take back.
    if read -r pid start <"$$state/rolling" 2>/dev/null && alive "$$pid" "$$start"; then exit 1; fi
fi
[ -e "$$state/run.json" ] || { echo "nothing to put back"; exit 0; }
echo "$$$$ $$(started $$$$)" >"$$state/rolling"
# A call of compose has a session of its own, and outlives the run that was killed.
session() {  # id, start: print the processes of it, those of one that had the same id earlier or later left out
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$$stat"; } 2>/dev/null || continue
        pid=$${stat#/proc/}
        line=$${line##*) }
        set -- "$$1" "$$2" $$line
        [ "$$6" != "$$1" ] || [ "$$3" = Z ] || [ "$${22}" -lt "$$2" ] || echo "$${pid%/stat}"
    done
}
child= since= boot= tenths=100
read -r child since boot <"$$state/$CHILD" 2>/dev/null
[ "$$boot" = "$$(cat /proc/sys/kernel/random/boot_id)" ] && { [ ! -e "/proc/$$child" ] || alive "$$child" "$$since"; } || child=
[ -z "$$child" ] || [ -z "$$(session "$$child" "$$since")" ] || : >"$$state/$CUT"
if read -r pid start <"$$state/applier" 2>/dev/null && alive "$$pid" "$$start"; then end "$$pid"; fi
while [ -n "$$child" ] && [ "$$tenths" -gt 0 ]; do
    found=$$(session "$$child" "$$since")
    [ -n "$$found" ] || break
    tenths=$$((tenths - 1))
    for pid in $$found; do end "$$pid"; done
    sleep 0.1
done
problems=
problem() { echo "$$1" >&2; problems="$$problems$$1
"; }
folder() {  # mode, owner, path, where it really is: what has to be there for the next to be put back
    [ -d "$$3" ] || make "$$1" "$$2" "$$4" || problem "$$3 cannot be made"
}
# From the root, step by step, each where it has to be: who owns a folder on the way may put a link there at any moment.
make() (  # mode, owner, path without a link
    rest=$${3#/} way= made=
    cd / || exit 1
    while [ -n "$$rest" ]; do
        step=$${rest%%/*} made=
        rest=$${rest#"$$step"} rest=$${rest#/} way=$$way/$$step
        # The last one is its owner's alone until it has its mode.
        if [ -n "$$rest" ]; then bits=755; else bits=700; fi
        if mkdir -m "$$bits" -- "$$step" 2>/dev/null; then made=1; fi
        cd -P -- "./$$step" && [ "$$(pwd -P)" = "$$way" ] || exit 1
    done
    [ -z "$$made" ] || { chown "$$2" . && chmod "$$1" .; }
)
# What is as it was needs no room on a full disk, and is not torn from who has it mounted.
same() { [ -f "$$1" ] && [ -f "$$2" ] && [ ! -L "$$2" ] && [ "$$(stat -c '%f %u %g' "$$1")" = "$$(stat -c '%f %u %g' "$$2")" ] && cmp -s "$$1" "$$2"; }
# Who owns a folder on the way, as a user his home, may have put a link there since: root does not go where that leads.
moved() {  # path, where its folder really is
    there=$$(readlink -f "$${1%/*}/") || there=
    if [ -z "$$there" ] || [ "$$there" = "$$2" ]; then return 1; fi
    problem "$$1 is left as it is: the way to it leads elsewhere now"
}
put_back() {  # number, path, where its folder really is
    if moved "$$2" "$$3"; then return; fi
    [ -e "$$state/$$1" ] || [ -L "$$state/$$1" ] || { problem "there is no copy of $$2"; return; }
    if same "$$state/$$1" "$$2"; then return; fi
    new="$$2.nself-prod-rollback"
    rm -rf "$$new"
    # A copy first, so that this can be run again; where the disk is full the kept one itself takes the place.
    if cp -aT --remove-destination "$$state/$$1" "$$new" 2>/dev/null; then :; else rm -rf "$$new"; new="$$state/$$1"; fi
    if [ -d "$$2" ] && [ ! -L "$$2" ]; then
        rm -rf "$$2.nself-prod-changed"
        mv -T "$$2" "$$2.nself-prod-changed" 2>/dev/null || { refill "$$2" "$$new"; return; }
    fi
    mv -fT "$$new" "$$2" || problem "$$2 cannot be put back"
    rm -rf "$$2.nself-prod-changed"
}
refill() {  # path, what is to be in it: a folder that has to stay where it is, since something is mounted there
    find "$$1" -mindepth 1 -delete && cp -a "$$2/." "$$1/" || problem "$$1 cannot be filled again"
    if [ "$$2" = "$$1.nself-prod-rollback" ]; then rm -rf "$$2"; fi
}
take_away() {  # path, where its folder really is
    [ -e "$$1" ] || [ -L "$$1" ] || return 0
    if moved "$$1" "$$2"; then return; fi
    rm -rf "$$1" || problem "$$1 cannot be removed"
}
try() { timeout $PATIENCE "$$@" || problem "\\`$$*\\` ended with $$?"; }
$KEPT
try systemctl daemon-reload
$UNDO
{ echo "$RUN"; printf %s "$$problems"; } >$OUTCOME || echo "$OUTCOME cannot be written" >&2
rm -f "$$state/run.json" $LINKS $UNITS/$UNIT.timer $UNITS/$UNIT.service
# Copies that found no way back are the last there are.
if [ -n "$$problems" ]; then rm -rf "$$state-failed"; mv "$$state" "$$state-failed"; fi
rm -rf "$$state"
echo "what run $RUN changed was put back"
systemctl --no-block stop $UNIT.timer 2>/dev/null
systemctl daemon-reload
"""
)
SERVICE = Template(
    """[Unit]
Description=Take back a change of nself.prod that nothing has confirmed
# At boot: after what may have come up with the change.
After=ssh.service sshd.service ssh.socket ufw.service docker.service nself-prod-lockdown.service

[Service]
Type=oneshot
ExecStart=/bin/sh $STATE/roll-back
TimeoutStartSec=$LONGEST

[Install]
WantedBy=multi-user.target
"""
)
TIMER = Template(
    """[Unit]
Description=Wait for a proof before a change of nself.prod stays

[Timer]
OnActiveSec=$SECONDS
AccuracySec=100ms
"""
)


def script(values: Mapping[str, str]) -> str:
    """Return the script.

    values: STATE OUTCOME LOCK UNITS UNIT LINKS RUN, PATIENCE and LONGEST in seconds, the names CHILD and CUT,
    and the lines KEPT and UNDO in its own words.
    """
    return SCRIPT.substitute(values)


def service(values: Mapping[str, str]) -> str:
    """Return the service that runs it."""
    return SERVICE.substitute(values)


def timer(values: Mapping[str, str], seconds: int) -> str:
    """Return the timer that starts the service."""
    return TIMER.substitute(values, SECONDS=seconds)
