# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""INFRA-23: mandatory access control confines the host's services and the containers."""

from __future__ import annotations

from typing import Any, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Resource,
    Severity,
    Status,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

# Domains of SELinux that confine nothing.
FREE_DOMAINS = ("unconfined_t", "spc_t", "initrc_t", "kernel_t")


@check(
    id="INFRA-23",
    slug="mac-confinement",
    title="AppArmor or SELinux is enforcing, for containers too",
    severity=Severity.WARNING,
    why="It is the last wall when a service is taken over: what the profile does not allow fails even for root.",
    reads="the kernel's AppArmor or SELinux state, and the profile and seccomp mode of each container's main process",
    passes="AppArmor with enforced profiles or SELinux enforcing, and no container unconfined",
    fix=Fix(
        "containers",
        "Boot with AppArmor or SELinux enforcing, and take apparmor=unconfined and seccomp=unconfined out of every security_opt.",
    ),
    refs=("D:5.2",),
)
def mac_confinement(facts: Any, policy: Any) -> Any:
    resources = each([facts], lambda _item: "host", _host)
    try:
        units = _units(facts)
    except Missing as missing:
        detail = missing.detail or str(missing)
        resources.append(Resource("containers", Status.UNKNOWN, detail, Level.RUNNING, missing.reason))
    else:
        resources += each(
            units, lambda unit: unit.read("name"), lambda unit: _container(facts, unit), lambda unit: unit.read("level")
        )
    nothing = "this is a container: its host confines it, and there are no containers in it"
    return summed("enforcing, and no container unconfined", resources, nothing)


def _host(facts: Any) -> Tuple[bool, str]:
    if facts.read("platform.container") is not None:
        raise NotApplicable("a container does not see its host's access control")
    if facts.read("lsm.selinux") == "enforcing":
        return True, "SELinux is enforcing"
    if facts.read("lsm.apparmor") is not True:
        permissive = facts.read("lsm.selinux") == "permissive"
        return False, "SELinux is permissive" if permissive else "neither AppArmor nor SELinux is on"
    enforced = facts.read("lsm.profiles.enforce")
    return enforced > 0, "AppArmor enforces %d profiles" % enforced


def _units(facts: Any) -> List[Any]:
    state = facts.read("deployment.state")
    if state == "none":
        return []
    units = facts.records("deployment.units")
    if not units:
        raise Missing("deployment.units", Reason.ERROR, "the deployment is %s, its containers are not known" % state)
    return list(units)


def _container(facts: Any, unit: Any) -> Tuple[bool, str]:
    seccomp, apparmor, selinux = (unit.read("mac." + name) for name in ("seccomp", "apparmor", "selinux"))
    if seccomp == "unconfined":
        return False, "seccomp is unconfined"
    if apparmor == "unconfined":
        return False, "AppArmor is unconfined"
    if seccomp != "filter":
        raise Missing("deployment.units", Reason.ERROR, "its seccomp mode is not known")
    confined = ["seccomp"]
    if facts.read("lsm.apparmor") is True:
        if not apparmor and unit.read("level") != Level.RUNNING:
            raise Missing("deployment.units", Reason.ERROR, "it does not run, so its AppArmor profile is not known")
        if not apparmor.endswith("(enforce)"):
            return False, "AppArmor profile %s is not enforced" % (apparmor or "(none)")
        confined.append(apparmor)
    elif facts.read("lsm.selinux") == "enforcing":
        if not selinux and unit.read("level") != Level.RUNNING:
            raise Missing("deployment.units", Reason.ERROR, "it does not run, so its SELinux domain is not known")
        domain = (selinux.split(":") + ["", "", ""])[2]
        if not domain or domain in FREE_DOMAINS:
            return False, "SELinux domain %s confines nothing" % (domain or "(none)")
        confined.append(domain)
    return True, ", ".join(confined)


CHECKS = (mac_confinement,)
