# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have security updates install themselves: one file for apt, the timers, and one run where the last is too long ago."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import updates
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.platform import os_release
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import packages
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.patient import Patient
from ansible_collections.nself.prod.plugins.module_utils.change.tables import updates as tables
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import apt_config
from ansible_collections.nself.prod.plugins.module_utils.parse.systemd import parse_show

PARTS = "/etc/apt/apt.conf.d"
MAIN = "/etc/apt/apt.conf"  # read after the parts
# apt reads the parts in the order of their names, and the last word wins.
PATH = PARTS + "/zz-nself-prod.conf"
NEEDRESTART = "/etc/needrestart/conf.d/zz-nself-prod.conf"
HEADER = "%s Written by nself.prod (role unattended_upgrades): changes made here are lost.\n"
SERVICES = ("apt-daily.service", "apt-daily-upgrade.service")
# It has a shutdown wait until a running upgrade has come to an end.
GUARD = "unattended-upgrades.service"
JOBS = {"apt-daily.timer": " update", "apt-daily-upgrade.timer": " install"}
STAMPS = ("update-stamp", "download-upgradeable-stamp", "upgrade-stamp")
LOG = "/var/log/unattended-upgrades/unattended-upgrades.log"
MOST_DAYS = 7
AGED_DAYS = 2  # a stamp of so many days does not keep the daily job from running
DAY = 86400.0


def work(host: Any, changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Bring the updates to what the params (the module's options) say. Return what else the module returns."""
    host = Patient(host)
    scalars, origins = _wanted(host, params)
    missing = packages.missing(host, ["unattended-upgrades"] + (["needrestart"] if params["needrestart"] else []))
    if missing and not changes.check:
        raise ChangeError("install the packages %s first" % ", ".join(missing))
    _write(host, changes, scalars, origins, params["blacklist"])
    if host.which("needrestart") is not None or "needrestart" in missing:
        changes.file(NEEDRESTART, HEADER % "#" + tables.NEEDRESTART)
    _units(host, changes)
    if "unattended-upgrades" in missing:
        if params["run"] == "when_due":
            changes.note("the daily update job runs as soon as unattended-upgrades is installed")
        return dict(_result({}, [], ""), missing=missing)
    facts = updates.collect(host, None)
    _timers(facts["timers"], changes.check)
    reason = due(facts, _newer(host), params["blacklist"]) if params["run"] == "when_due" else ""
    if reason:
        changes.note("the daily update job runs, since %s" % reason)
        if not changes.check:
            _run(host, params)
            facts = updates.collect(host, None)
            _fetched(facts)
    return dict(_result(facts, params["blacklist"], reason), missing=missing)


def _wanted(host: Any, params: Mapping[str, Any]) -> Tuple[List[Tuple[str, str]], List[str]]:
    """Return the settings and the origins. Raises ChangeError for options that make no sense."""
    for word in list(params["blacklist"]) + list(params["origins"]):
        if not word or re.search(r'["\n;{}]', word.replace("${", "").replace("}", "")):
            raise ChangeError("%r cannot stand in apt's configuration" % word)
    for pattern in params["blacklist"]:
        try:
            left = [name for name in updates.VITAL if re.match(pattern, name)]
        except re.error as error:
            raise ChangeError("blacklist holds %r, which is no pattern: %s" % (pattern, error)) from None
        if left:
            raise ChangeError("blacklist holds %r, which leaves out %s" % (pattern, left[0]))
    if not re.match(r"(?:[01]\d|2[0-3]):[0-5]\d$|now$", params["reboot_time"]):
        raise ChangeError("reboot_time is %r, and has to be like 03:30" % params["reboot_time"])
    name = os_release(host).get("ID", "")
    origins = list(params["origins"]) or list(tables.ORIGINS.get(name, ()))
    if not origins:
        raise ChangeError("which security archives %s has is not known; name them in origins" % (name or "this system"))
    try:
        apt_config.allows(origins, {})
    except ValueError:
        raise ChangeError("origins holds what is no pattern of unattended-upgrades") from None
    scalars = list(tables.SETTINGS)
    for key, option in (
        ("Remove-Unused-Kernel-Packages", "remove_unused"),
        ("Remove-New-Unused-Dependencies", "remove_unused"),
        ("Automatic-Reboot", "reboot"),
        ("Automatic-Reboot-WithUsers", "reboot_with_users"),
    ):
        scalars.append(("Unattended-Upgrade::" + key, "true" if params[option] else "false"))
    scalars.append(("Unattended-Upgrade::Automatic-Reboot-Time", params["reboot_time"]))
    return scalars, origins


def render(scalars: Sequence[Tuple[str, str]], origins: Sequence[str], blacklist: Sequence[str]) -> str:
    """Return the file's text. What others blacklist stays blacklisted: they may know of a service that must not restart."""
    out = [HEADER % "//"]
    out.extend('%s "%s";\n' % pair for pair in scalars)
    out.extend("#clear %s;\n" % name for name in tables.CLEARED)
    for name, words in (("Origins-Pattern", origins), ("Package-Blacklist", blacklist)):
        if words:
            out.append("Unattended-Upgrade::%s {\n%s};\n" % (name, "".join('    "%s";\n' % word for word in words)))
    return "".join(out)


# -- apt's configuration -------------------------------------------------------------------------------------------------


def _write(
    host: Any, changes: Changes, scalars: Sequence[Tuple[str, str]], origins: Sequence[str], blacklist: Sequence[str]
) -> None:
    """Write the file and see that apt then has it so. One that apt cannot read is taken back, or nothing could be installed."""
    before = changes.read(PATH)
    wrote = changes.file(PATH, render(scalars, origins, blacklist))
    if wrote and changes.check:
        return
    try:
        found = apt_config.parse_dump(command(host, ["apt-config", "dump"]).out)
    except ChangeError:
        if wrote:
            changes.absent(PATH) if before is None else changes.file(PATH, before)
        raise
    wrong = overruled(found, scalars, origins, blacklist)
    if wrong:
        raise ChangeError("apt has %s though %s says otherwise%s" % (wrong[1], PATH, _culprit(host, changes, wrong[0])))


def overruled(
    found: Mapping[str, Sequence[str]],
    scalars: Sequence[Tuple[str, str]],
    origins: Sequence[str],
    blacklist: Sequence[str],
) -> Tuple[str, ...]:
    """Return (setting, what apt has there) of the first that is not as it has to be, () where all are."""
    for name, value in scalars:
        last = (list(found.get(name.lower(), ())) or [""])[-1]
        if last != value:
            return name, '%s "%s"' % (name, last)
    name = "Unattended-Upgrade::Origins-Pattern"
    there = list(found.get(name.lower(), ()))
    if there != list(origins):
        more = [word for word in there if word not in origins] or ["none of %s" % ", ".join(origins)]
        return name, '%s "%s"' % (name, more[0])
    for empty in tables.CLEARED:
        if empty != name and found.get(empty.lower()):
            return empty, '%s "%s"' % (empty, found[empty.lower()][0])
    name = "Unattended-Upgrade::Package-Blacklist"
    missing = [word for word in blacklist if word not in found.get(name.lower(), ())]
    return (name, 'no "%s" in %s' % (missing[0], name)) if missing else ()


def _culprit(host: Any, changes: Changes, name: str) -> str:
    """Return words on the file that is read after ours and names a setting."""
    word = name.rpartition("::")[2]
    later = [PARTS + "/" + other for other in host.listdir(PARTS)]
    for path in [path for path in later if path > PATH] + [MAIN]:
        if re.search(r"\b%s\b" % re.escape(word), changes.read(path) or "", re.I):
            return ": take it out of %s, which is read later" % path
    return "; see `apt-config dump`"


# -- units ---------------------------------------------------------------------------------------------------------------


def _units(host: Any, changes: Changes) -> None:
    """Have the timers enabled and active, and nothing that they start masked."""
    names = list(updates.TIMERS) + list(SERVICES) + [GUARD]
    shown = command(host, ["systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState"] + names)
    units = {unit.get("Id", ""): unit for unit in parse_show(shown.out)}
    for runtime in (False, True):
        state = "masked-runtime" if runtime else "masked"
        masked = [name for name in names if units.get(name, {}).get("UnitFileState") == state]
        if masked:
            changes.run(
                ["systemctl", "unmask"] + (["--runtime"] if runtime else []) + masked, "unmasked: " + ", ".join(masked)
            )
    off = [
        name
        for name in list(updates.TIMERS) + [GUARD]
        if units.get(name, {}).get("LoadState") != "not-found"
        and (units.get(name, {}).get("ActiveState"), units.get(name, {}).get("UnitFileState")) != ("active", "enabled")
    ]
    if off:
        changes.run(["systemctl", "enable", "--now"] + off, "enabled and started: " + ", ".join(off))


def _timers(timers: Any, check: bool) -> None:
    """Raises ChangeError where a timer does not start apt's own job in time, which no enabling mends."""
    if isinstance(timers, Unread):
        raise ChangeError("apt's timers cannot be looked at: %s" % timers.detail)
    known = {timer["name"]: timer for timer in timers}
    for name, job in JOBS.items():
        if name not in known:
            raise ChangeError("%s does not exist; reinstall the package apt" % name)
        timer, service = known[name], name.replace(".timer", ".service")
        if check and not (timer["active"] and timer["enabled"] and timer["service"] == "loaded"):
            continue  # what is to be mended
        if not timer["runs"].endswith("/usr/lib/apt/apt.systemd.daily" + job):
            raise ChangeError(
                "%s starts `%s` and not apt's own job; see `systemctl cat %s`" % (name, timer["runs"], service)
            )
        next_days = timer["next_days"]
        if isinstance(next_days, Unread) or next_days > MOST_DAYS:
            raise ChangeError("%s does not fire within %d days; see `systemctl cat %s`" % (name, MOST_DAYS, name))


# -- a run ---------------------------------------------------------------------------------------------------------------


def due(facts: Mapping[str, Any], news: bool, blacklist: Sequence[str]) -> str:
    """Return why the daily job has to run now, "" where it has not. news: something changed since it last ran well."""
    archives, days = facts["archives"], facts["last_run_days"]
    if isinstance(archives, Unread):
        return "the package lists cannot be read: %s" % archives.detail
    if not archives:
        return "no index of a security archive is on this host"
    if isinstance(days, Unread):
        return "when it last ran is not known: %s" % days.detail
    if days is None:
        return "no successful run is on record"
    if days > MOST_DAYS:
        return "its last successful run was %d days ago" % days
    for archive in archives:
        if isinstance(archive["age_days"], Unread) or archive["age_days"] > MOST_DAYS:
            return "the index of %s is older than %d days" % (archive["name"], MOST_DAYS)
    pending = _pending(facts, blacklist)[0]
    # What a run has left, a held package say, the next leaves too, unless there is news.
    if pending and news:
        return "%d security updates are pending: %s" % (len(pending), ", ".join(pending[:5]))
    return ""


def _pending(facts: Mapping[str, Any], blacklist: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Return the packages with a security update, and those of them that are left to the operator."""
    names = facts.get("pending")
    if not isinstance(names, list):
        return [], []
    held = [name for name in names if any(re.match(pattern, name) for pattern in blacklist)]
    return [name for name in names if name not in held], held


def _newer(host: Any) -> bool:
    """Tell whether packages or indexes changed since the last successful run."""
    stamp = _time(host, updates.LAST_RUN)
    try:
        names = [updates.LISTS + "/" + name for name in host.listdir(updates.LISTS) if "security" in name]
    except NotFound:
        names = []
    return any(_time(host, path) > stamp for path in names + ["/var/lib/dpkg/status"])


def _time(host: Any, path: str) -> float:
    try:
        return float(host.stat(path).mtime)
    except NotFound:
        return 0.0


def _run(host: Any, params: Mapping[str, Any]) -> None:
    """Run what the timers run, under systemd: it goes on where this connection ends. Raises ChangeError where it did not end well."""
    wait = params["lock_timeout"]
    command(host, ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=%d" % wait, "check"], timeout=wait + 60.0)
    started = host.now()
    # The job runs once a day. What it did today it has to do again.
    aged = int(started - AGED_DAYS * DAY)
    young = [path for path in (updates.PERIODIC + "/" + name for name in STAMPS) if _time(host, path) > aged]
    if young:
        command(host, ["touch", "--no-create", "--date=@%d" % aged] + young)
    try:
        command(host, ["systemctl", "start"] + list(SERVICES), timeout=float(params["run_timeout"]))
    except ChangeError as error:
        raise ChangeError("%s; see `journalctl -u apt-daily-upgrade`" % error) from error
    if _time(host, updates.LAST_RUN) < started - 1:
        raise ChangeError("unattended-upgrade did not end well: %s; run `unattended-upgrade --debug`" % _said(host))


def _said(host: Any) -> str:
    """Return the last complaint in unattended-upgrades' log."""
    try:
        lines = host.read(LOG).splitlines()
    except HostError:
        return "it wrote no %s" % LOG
    return ([line for line in lines[-50:] if " ERROR " in line or " WARNING " in line] or ["see %s" % LOG])[-1]


def _fetched(facts: Mapping[str, Any]) -> None:
    """Raises ChangeError where apt could not fetch the security archives' indexes, which it does not call a failure."""
    archives = facts["archives"]
    if isinstance(archives, Unread) or not archives:
        raise ChangeError(
            "no index of a security archive was fetched; see `apt-get update` and the sources in /etc/apt "
            "(run: never leaves the update to the timers)"
        )
    for archive in archives:
        if isinstance(archive["age_days"], Unread) or archive["age_days"] > MOST_DAYS:
            raise ChangeError("the index of %s is still old; see `apt-get update`" % archive["name"])


def _result(facts: Mapping[str, Any], blacklist: Sequence[str], reason: str) -> Dict[str, Any]:
    pending, held = _pending(facts, blacklist)
    left_out = facts.get("left_out")
    left_out = left_out if isinstance(left_out, list) else []
    reboot = facts.get("reboot_required") is True
    lines = [
        (reboot, "reboot the host: an update asks for it"),
        (held, "update by hand, since it restarts Docker or is blacklisted: %s" % ", ".join(held)),
        (pending, "look at why these security updates are not installed: %s" % ", ".join(pending)),
        (left_out, "another file of apt blacklists %s: take it out there" % ", ".join(left_out)),
    ]
    return {
        "ran": reason or None,
        "pending": pending,
        "held_back": held,
        "left_out": left_out,
        "reboot_required": reboot,
        "left": [line for needed, line in lines if needed],
    }
