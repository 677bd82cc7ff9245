# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a broken service can get: users, privileges, capabilities, file systems, limits and mounts of every container."""

from __future__ import annotations

import posixpath
from typing import Any, Dict, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Fix, Level, Severity, Verdict, check
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.container_capabilities import INIT, NEEDED
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.host_paths import (
    SENSITIVE_FOLDERS,
    SENSITIVE_TREES,
    SOCKET_FOLDERS,
    SOCKETS,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, judge_units, level_of, name_of

NOTHING = "the deployment has no services"
OVERRIDE = "in docker-compose.override.yml, which survives `nself build`, and recreate the service."


def _fix(by_hand: str, *variables: str) -> Fix:
    return Fix("containers", by_hand, variables, ("the services named",))


def is_init(unit: Record) -> bool:
    """Tell whether a service runs once, before another one, to hand a volume to its user."""
    return name_of(unit).endswith("-init")


@check(
    "INFRA-31",
    "containers-non-root",
    "Containers do not run as root",
    Severity.WARNING,
    "Root in a container is root's uid to the kernel: one bug in the isolation, and it is root on the host.",
    "effective uid of every process in the container; where it does not run, compose's user",
    "no process with uid 0; nginx may keep a root master beside other workers, and what only hands a volume to another user and ends may be root "
    "with the capabilities for that",
    _fix("Set `user:` to the image's own uid " + OVERRIDE, "containers_users"),
    refs=("s:containers", "D:4.1"),
)
def non_root(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        uids = unit.read("uids")
        if unit.read("role") == "nginx" and set(uids) - {0}:
            return True, "uid " + ", ".join(map(str, uids))
        if (
            0 in uids
            and level_of(unit) != Level.RUNNING
            and is_init(unit)
            and not set(unit.read("capabilities")) - INIT
        ):
            return True, "root, for as long as it hands a volume over"
        return bool(uids) and 0 not in uids, "uid " + ", ".join(map(str, uids))

    return judge_units(all_units(facts), "no uid 0", judge, NOTHING)


@check(
    "INFRA-32",
    "no-privileged",
    "No container is privileged",
    Severity.CRITICAL,
    "A privileged container, or one in the host's namespaces, sees and steers the host as if there were no container.",
    "Privileged, namespaces and devices as the engine applied them; where it does not run, compose's settings",
    "none, apart from services that the policy names",
    _fix(
        "Remove `privileged:`, `pid: host`, `network_mode: host` and `devices:` from the service, or name it in policy privileged_services.",
        "containers_privileged_exempt",
    ),
    refs=("D:5.5",),
)
def no_privileged(facts: Any, policy: Any) -> Verdict:
    exempt = policy["privileged_services"]

    def judge(unit: Record) -> Tuple[bool, str]:
        bad = ["privileged"] if unit.read("privileged") else []
        bad += ["the host's %s namespace" % name for name in unit.read("host_namespaces")]
        bad += ["device %s" % name for name in unit.read("devices")]
        if bad and name_of(unit) in exempt:
            return True, "exempt by policy: " + ", ".join(bad)
        return not bad, ", ".join(bad) or "not privileged"

    return judge_units(all_units(facts), "none but exemptions", judge, NOTHING)


@check(
    "INFRA-33",
    "capabilities",
    "Containers hold only the capabilities they need",
    Severity.WARNING,
    "Docker grants fourteen capabilities to everybody; raw sockets and device nodes serve an intruder, not PostgreSQL.",
    "bounding set of the main process in /proc; where it does not run, compose's cap_drop and cap_add",
    "within the set known to suffice for the service, empty for all others",
    _fix("Set `cap_drop: [ALL]` and the service's own `cap_add` " + OVERRIDE, "containers_capabilities"),
    refs=("s:containers", "D:5.4"),
)
def capabilities(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        allowed = INIT if is_init(unit) else NEEDED.get(unit.read("role"), set())
        extra = sorted(set(unit.read("capabilities")) - allowed)
        return not extra, ", ".join(extra) + " too many" if extra else "within " + (
            ", ".join(sorted(allowed)) or "none"
        )

    return judge_units(all_units(facts), "only what the service needs", judge, NOTHING)


@check(
    "INFRA-34",
    "no-new-privileges",
    "Processes cannot gain privileges",
    Severity.WARNING,
    "Without it a setuid program in an image lifts an intruder to root of the container.",
    "NoNewPrivs of the main process in /proc; where it does not run, compose's security_opt",
    "set",
    _fix('Set `security_opt: ["no-new-privileges:true"]` ' + OVERRIDE, "containers_no_new_privileges: true"),
    refs=("s:containers", "D:5.26"),
)
def no_new_privileges(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        return unit.read("no_new_privileges") is True, "set" if unit.read("no_new_privileges") else "not set"

    return judge_units(all_units(facts), "no-new-privileges", judge, NOTHING)


@check(
    "INFRA-35",
    "readonly-rootfs",
    "Containers cannot change their own files",
    Severity.WARNING,
    "What cannot be written cannot be replaced by an intruder's program.",
    "the root mount of the main process in /proc; where it does not run, compose's read_only",
    "mounted read-only",
    _fix("Set `read_only: true` and a `tmpfs:` for what the service writes " + OVERRIDE, "containers_read_only: true"),
    refs=("s:containers", "D:5.13"),
)
def readonly_rootfs(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        return unit.read("readonly_rootfs") is True, "read-only" if unit.read("readonly_rootfs") else "writable"

    return judge_units(all_units(facts), "read-only", judge, NOTHING)


@check(
    "INFRA-36",
    "resource-limits",
    "Containers have limits",
    Severity.WARNING,
    "One service without limits, leaking or attacked, takes all the others and the host with it.",
    "memory, cpu and pids limits of the control group (v1 and v2); where it does not run, compose's limits",
    "all three set",
    _fix("Set `deploy.resources.limits` (cpus, memory, pids) " + OVERRIDE, "containers_limits"),
    settings=("CONTAINER_MEMORY_LIMIT",),
    refs=("s:containers", "D:5.11"),
)
def resource_limits(facts: Any, policy: Any) -> Verdict:
    def judge(unit: Record) -> Tuple[bool, str]:
        limits = {name: unit.read("limits." + name) for name in ("memory", "cpu", "pids")}
        absent = [name for name, value in limits.items() if value is None]
        return not absent, "no limit for " + ", ".join(absent) if absent else _shown(limits)

    return judge_units(all_units(facts), "memory, cpu and pids limited", judge, NOTHING)


def _shown(limits: Dict[str, Any]) -> str:
    return "%d MiB, %g cpu, %d pids" % (limits["memory"] >> 20, limits["cpu"], limits["pids"])


@check(
    "INFRA-37",
    "no-dangerous-mounts",
    "No container mounts what rules the host",
    Severity.CRITICAL,
    "Docker's socket is root on the host, read-only or not; so is a writable /etc or /.",
    "mounts as the engine made them; where it does not run, compose's volumes",
    "no engine socket nor a folder that holds it; / /etc /proc /sys /root /dev and their like not writable",
    _fix("Remove the mount, or name the service in policy mount_exempt_services.", "containers_mounts_exempt"),
    refs=("D:5.6", "D:5.32"),
)
def no_dangerous_mounts(facts: Any, policy: Any) -> Verdict:
    exempt = policy["mount_exempt_services"]

    def judge(unit: Record) -> Tuple[bool, str]:
        mounts = unit.records("mounts")
        bad = [text for text in (danger_of(mount) for mount in mounts) if text]
        if bad and name_of(unit) in exempt:
            return True, "exempt by policy: " + ", ".join(bad)
        return not bad, ", ".join(bad) or "%d harmless mounts" % len(mounts)

    return judge_units(all_units(facts), "none but exemptions", judge, NOTHING)


def danger_of(mount: Record) -> str:
    """Return what is wrong with a mount, "" where nothing is."""
    source, rw = mount.read("source"), mount.read("rw")
    if not source.startswith("/"):
        return ""  # a named volume
    source = posixpath.normpath(source)
    if source in SOCKETS or source in SOCKET_FOLDERS:
        return "%s%s" % (source, "" if source in SOCKETS else ", which holds Docker's socket")
    ruling = source in SENSITIVE_FOLDERS or any((source + "/").startswith(tree + "/") for tree in SENSITIVE_TREES)
    return "%s writable" % source if rw and ruling else ""


CHECKS = (
    non_root,
    no_privileged,
    capabilities,
    no_new_privileges,
    readonly_rootfs,
    resource_limits,
    no_dangerous_mounts,
)
