# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is somebody told when something is wrong, and is there a log to look into?"""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Resource,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.alert_receivers import (
    KEEPS_NOTHING,
    ROTATING,
    ROTATING_BY_SIZE,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed, unread
from ansible_collections.nself.prod.plugins.module_utils.deployment import guide


@check(
    "INFRA-41",
    "monitoring-alerts",
    "Alerts arise, reach somebody, and logs are kept within bounds",
    Severity.WARNING,
    "nself ships an alertmanager without a receiver and a prometheus without a rule: everything looks watched, and nobody would ever be told.",
    "the configuration files of the running alertmanager and prometheus, ALERT_* in the env files, the log driver of each container",
    "the routes lead to a destination that can work, at least one alert rule is loaded and sent there, no ALERT_* that nothing reads, rotated logs",
    Fix(
        "monitoring",
        "Give alertmanager's receiver a destination, prometheus rule_files and alerting.alertmanagers, and each service logging.options.max-size.",
        (),
        ("alertmanager", "prometheus"),
    ),
    refs=("s:monitoring",),
)
def monitoring_alerts(facts: Any, policy: Any) -> Verdict:
    units = all_units(facts)
    if not units:
        raise Missing("deployment.units", Reason.ERROR, "the deployment has no services")
    resources = _role(facts, units, "alertmanager", _destination) + _role(facts, units, "prometheus", _rules)
    resources += _settings(facts, units) + _logs(facts)
    return summed("a working destination, alert rules, rotated logs", resources)


def _role(facts: Any, units: List[Record], role: str, judge: Any) -> List[Resource]:
    try:
        found = facts.records("monitoring." + role)
        if found:
            return each(found, lambda item: str(item.read("service")), judge)
        if any(unit.read("role") == role for unit in units):
            raise Missing("monitoring", Reason.ERROR, "%s does not run" % role)
    except Missing as missing:
        return [unread(role, missing)]
    return [resource(role, False, "the deployment has none, so nobody is told")]


def _destination(item: Record) -> Tuple[bool, str]:
    """A receiver without a destination below the root is silence on purpose; one that cannot work never is."""
    broken, working, unknown, root = [], [], [], ""
    for receiver in item.records("receivers"):
        name = str(receiver.read("name"))
        works, problems, other = (receiver.read(key) for key in ("working", "problems", "unknown"))
        root = name if receiver.read("root") else root
        working += ["%s (%s)" % (name, kind) for kind in works]
        unknown += ["%s (%s)" % (name, kind) for kind in other]
        if problems and not works:
            broken += ["receiver %s: %s" % (name, problem) for problem in problems]
    if broken:
        return False, ", ".join(broken[:3])
    if working:
        return True, "alerts go to " + ", ".join(working[:3])
    if unknown:
        raise Missing(
            "monitoring", Reason.ERROR, "a kind of receiver that is not known here: " + ", ".join(unknown[:3])
        )
    return False, "receiver %s has no destination" % root


def _rules(item: Record) -> Tuple[bool, str]:
    alerts, told = item.read("alerts"), item.read("alertmanager")
    if isinstance(alerts, bool) or not isinstance(alerts, int) or not isinstance(told, bool):
        raise Missing("monitoring.prometheus", Reason.PARSE_ERROR, "its configuration is not understood")
    if not alerts:
        return False, "it has no alert rule"
    return told, "%d alert rules" % alerts + (
        "" if told else ", and alerting.alertmanagers names nobody to send them to"
    )


def _settings(facts: Any, units: List[Record]) -> List[Resource]:
    try:
        settings = facts.read("deployment.settings")
        # A service of the project's own may well read such a name; none of nself's does.
        read = {name for unit in units if not unit.read("role") for name in unit.read("env")}
        names = [name for name in sorted(settings) if name.startswith("ALERT_") and name not in read]
        return [
            resource(name, False, "nothing reads it (%s)" % settings[name]["file"])
            for name in names
            if not guide.is_empty(settings[name]["value"])
        ]
    except Missing as missing:
        return [unread("ALERT_*", missing)]


def _logs(facts: Any) -> List[Resource]:
    def judge(item: Record) -> Tuple[bool, str]:
        driver, size = str(item.read("driver")), item.read("max_size")
        if driver in KEEPS_NOTHING or not driver:
            return False, "keeps no log"
        if driver in ROTATING_BY_SIZE:
            good = size not in ("", "-1", "0")
            return (
                good,
                "logs are rotated at %s" % size
                if good
                else "%s without max-size grows until the disk is full" % driver,
            )
        return True, "logs rotate (%s)" % driver if driver in ROTATING else "logs go to %s" % driver

    try:
        found = facts.records("monitoring.logs")
        return each(found, lambda item: "logs of %s" % item.read("service"), judge)
    except (Missing, NotApplicable) as missing:
        lost = missing if isinstance(missing, Missing) else Missing("monitoring.logs")
        return [unread("logs", lost)]


CHECKS = (monitoring_alerts,)
