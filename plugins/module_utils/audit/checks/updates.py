# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-19 and INFRA-20: updates install themselves, and none is pending."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed
from ansible_collections.nself.prod.plugins.module_utils.parse.deb import newest_kernel

# An archive signs its index anew at least once a week, so one of that age may be the newest there is.
INDEX_DAYS = 7
MOST_NAMED = 5
# What the service of each timer runs.
JOBS = {
    "apt-daily.timer": "/usr/lib/apt/apt.systemd.daily update",
    "apt-daily-upgrade.timer": "/usr/lib/apt/apt.systemd.daily install",
}

Part = Tuple[str, Callable[[], Tuple[bool, str]]]


def _parts(parts: List[Part]) -> Any:
    return each(parts, lambda part: part[0], lambda part: part[1]())


@check(
    id="INFRA-19",
    slug="auto-updates",
    title="Security updates install themselves",
    severity=Severity.WARNING,
    why="Most break-ins use holes for which an update has been out for weeks, and nobody logs in every day to install it.",
    reads="apt-config dump, the apt-daily timers and what they start, the security archives' indexes and the stamp of the last successful run",
    passes="unattended-upgrades and its timers are on, it takes security archives, leaves out no vital package and succeeded within updates_max_age_days",
    fix=Fix(
        "unattended_upgrades",
        "Install unattended-upgrades, set APT::Periodic::Update-Package-Lists and APT::Periodic::Unattended-Upgrade to 1, enable "
        "apt-daily.timer and apt-daily-upgrade.timer, and start apt-daily-upgrade.service once.",
    ),
    refs=("s:harden", "L:PKGS-7420"),
)
def auto_updates(facts: Any, policy: Any) -> Any:
    most = policy["updates_max_age_days"]

    def interval(path: str) -> Tuple[bool, str]:
        days = facts.read(path)
        if days is None:
            return False, "is off in apt's configuration"
        return days <= most, "every %g d" % days

    def installed() -> Tuple[bool, str]:
        return (True, "is installed") if facts.read("updates.installed") is True else (False, "is not installed")

    def last_run() -> Tuple[bool, str]:
        days = facts.read("updates.last_run_days")
        if days is None:
            return False, "no successful run is on record"
        return days <= most, "%d days ago" % days

    resources = _parts(
        [
            ("unattended-upgrades", installed),
            ("package lists", lambda: interval("updates.lists_days")),
            ("upgrades", lambda: interval("updates.upgrade_days")),
            ("last run", last_run),
            ("packages", lambda: _left_out(facts)),
            ("timers", lambda: _timers(facts, most)),
            ("security archives", lambda: _archives(facts, max(most, INDEX_DAYS))),
        ]
    )
    return summed("on, taking security archives, and successful within %d days" % most, resources)


def _left_out(facts: Any) -> Tuple[bool, str]:
    names = facts.read("updates.left_out")
    return names == [], "the black- or whitelist leaves out " + ", ".join(names) if names else "none is left out"


def _timers(facts: Any, most: float) -> Tuple[bool, str]:
    timers = facts.records("updates.timers")
    states = {timer.read("name"): (timer.read("active"), timer.read("enabled")) for timer in timers}
    off = [name for name, state in states.items() if state != (True, True)]
    if len(states) < 2:
        return False, "apt-daily.timer or apt-daily-upgrade.timer does not exist"
    if off:
        return False, "not active and enabled: " + ", ".join(off)
    for timer in timers:
        name = timer.read("name")
        if timer.read("service") != "loaded":
            return False, "what %s starts is %s" % (name, timer.read("service"))
        if timer.read("next_days") > most:
            return False, "%s fires in %d days" % (name, timer.read("next_days"))
    for timer in timers:
        program = timer.read("runs")
        if not program.endswith(JOBS[timer.read("name")]):
            raise Missing(
                "updates.timers",
                Reason.ERROR,
                "%s starts %s, not apt's own job" % (timer.read("name"), program or "nothing"),
            )
    return True, "active and enabled"


def _archives(facts: Any, most: int) -> Tuple[bool, str]:
    archives = facts.records("updates.archives")
    if not archives:
        return False, "there is none among the package lists"
    for archive in archives:
        if archive.read("allowed") is not True:
            return False, "unattended-upgrades takes nothing from %s" % archive.read("name")
        if archive.read("age_days") > most:
            return False, "the index of %s is %d days old" % (archive.read("name"), archive.read("age_days"))
    return True, "taken: " + ", ".join(archive.read("name") for archive in archives)


@check(
    id="INFRA-20",
    slug="patched",
    title="No security update is pending",
    severity=Severity.WARNING,
    why="An update closes its hole only once it is installed and, for a kernel or libc, once the host has restarted.",
    reads="dpkg's status against the security archives' indexes, /run/reboot-required, the running kernel and those in /boot",
    passes="no newer version stands in a security archive, no restart is asked for, and the newest kernel runs",
    fix=Fix(
        "unattended_upgrades", "Run `apt-get update && apt-get upgrade`, then restart the host where it asks for it."
    ),
    refs=("L:PKGS-7392",),
)
def patched(facts: Any, policy: Any) -> Any:
    most = max(policy["updates_max_age_days"], INDEX_DAYS)
    resources = _parts(
        [
            ("security updates", lambda: _pending(facts, most)),
            ("restart", lambda: _restart(facts)),
            ("kernel", lambda: _kernel(facts)),
        ]
    )
    return summed("no security update and no restart pending", resources)


def _pending(facts: Any, most: int) -> Tuple[bool, str]:
    names = facts.read("updates.pending")
    if names:
        more = ", …" if len(names) > MOST_NAMED else ""
        return False, "%d pending: %s%s" % (len(names), ", ".join(names[:MOST_NAMED]), more)
    ages = [archive.read("age_days") for archive in facts.records("updates.archives")]
    if not ages or max(ages) > most:
        raise Missing("updates.pending", Reason.ERROR, "the package lists are too old to tell: run apt-get update")
    return names == [], "none pending"


def _in_container(facts: Any) -> bool:
    return facts.read("platform.container") is not None


def _restart(facts: Any) -> Tuple[bool, str]:
    if _in_container(facts):
        raise NotApplicable("a container has no kernel of its own")
    required = facts.read("updates.reboot_required")
    return required is False, "not asked for" if required is False else "asked for by /run/reboot-required"


def _kernel(facts: Any) -> Tuple[bool, str]:
    if _in_container(facts):
        raise NotApplicable("a container has no kernel of its own")
    running = facts.read("platform.kernel")
    newest = newest_kernel(running, facts.read("updates.kernels"))
    if not newest:
        # The provider boots the machine with a kernel of its own, which no package of this host can renew.
        raise NotApplicable("the kernel does not come from this host's /boot")
    return newest == running, running if newest == running else "%s runs, %s is installed" % (running, newest)


CHECKS = (auto_updates, patched)
