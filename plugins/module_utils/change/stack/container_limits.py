# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory, processor and how many processes a service may have: by what it is, scaled to the host, never above it."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.stack.container_facts import Seen
from ansible_collections.nself.prod.plugins.module_utils.change.tables.container_needs import Needs

MEMORY, CPUS, PIDS = "memory", "cpus", "pids"
KINDS = (MEMORY, CPUS, PIDS)
_AT_SERVICE = {MEMORY: "mem_limit", CPUS: "cpus", PIDS: "pids_limit"}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([bkmg]?)(?:i?b)?\Z", re.I)
_UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30}
FULL = 0.7  # of its limit that a service may use today; more, and the limit is doubled
LEAST_CPU = 0.5


class LimitError(ValueError):
    """A limit is none, or more than the host has. The message says which."""


def parse(kind: str, value: Any, host: Tuple[int, int]) -> float:
    """Return a limit that somebody gave: MiB, processors or a number of processes. host: its (MiB, processors). Raises LimitError."""
    text = str(value).strip()
    found = _SIZE.match(text)
    if not found or (kind != MEMORY and found.group(2)):
        raise LimitError("%s: %s is no %s" % (kind, text, "size such as 512m" if kind == MEMORY else "number"))
    number = float(found.group(1))
    if kind == MEMORY:
        number = number * 2.0 ** _UNITS[found.group(2).lower()] / 2**20
        if number < 6:
            raise LimitError("memory: %s is less than Docker allows (6m)" % text)
    most = {MEMORY: host[0], CPUS: host[1], PIDS: 4194304}[kind]
    if not 0 < number <= most:
        raise LimitError(
            "%s: %s is not within what this host has (%d%s)" % (kind, text, most, " MiB" if kind == MEMORY else "")
        )
    return number


def present(model: Mapping[str, Any]) -> Dict[str, str]:
    """Return {kind: where} of the limits that a service's own file sets: "deploy" or "service"."""
    limits = ((model.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    out = {kind: "deploy" for kind in KINDS if limits.get(kind) not in (None, "", 0, "0")}
    # CpuQuota is a limit too, and stands in the way of another.
    other = {MEMORY: ("mem_limit",), CPUS: ("cpus", "cpu_quota"), PIDS: ("pids_limit",)}
    for kind, names in other.items():
        if any(model.get(name) not in (None, "", 0, "0", -1) for name in names):
            out[kind] = "service"
    return out


def defaults(needs: Needs, host: Tuple[int, int], seen: Seen) -> Dict[str, float]:
    """Return what a service gets where nobody says anything. It is stable: what was given for what it used stays when it uses less."""
    # Whole GiB: a new kernel leaves a little more or less of a host's memory.
    total = round(host[0] / 1024.0) * 1024 if host[0] >= 1024 else host[0]
    memory = min(max(needs.memory[0], _rung(total * needs.memory[1] // 100)), host[0])
    while memory < host[0] and _too_full(memory, seen, host[0]):
        memory = min(memory * 2, host[0])
    cpus = min(float(host[1]), max(LEAST_CPU, round(host[1] * needs.cpu, 2)))
    return {MEMORY: memory, CPUS: cpus, PIDS: needs.pids}


def _too_full(memory: int, seen: Seen, most: int) -> bool:
    before = seen.limit >> 20
    doubled = before > memory and before % memory == 0 and (before // memory) & (before // memory - 1) == 0
    return doubled or before == most or seen.memory > FULL * memory * 2**20


def _rung(memory: int) -> int:
    """Return a size rounded down to 2^n or 1.5 · 2^n."""
    if memory < 2:
        return memory
    power = 1 << (memory.bit_length() - 1)
    return power + power // 2 if memory >= power + power // 2 else power


def fragment(model: Mapping[str, Any], wanted: Mapping[str, float]) -> Dict[str, Any]:
    """Return the keys of a service that set these limits.

    compose refuses a limit that is told in both of its ways, and takes one told in the one way for an empty one in the other.
    """
    there = present(model)
    out: Dict[str, Any] = {}
    at_deploy: Dict[str, Any] = {}
    # Where one way is in use the others go there too.
    way = "deploy" if "deploy" in there.values() or "service" not in there.values() and _deploys(model) else "service"
    for kind in KINDS:
        if kind not in wanted:
            continue
        number = wanted[kind]
        text: Any = "%dm" % number if kind == MEMORY else int(number) if kind == PIDS else number
        if (there.get(kind) or way) == "deploy":
            at_deploy[kind] = str(text) if kind == CPUS else text
        else:
            out[_AT_SERVICE[kind]] = text
    if at_deploy:
        out["deploy"] = {"resources": {"limits": at_deploy}}
    return out


def _deploys(model: Mapping[str, Any]) -> bool:
    return bool(((model.get("deploy") or {}).get("resources") or {}).get("limits"))


def declared(service: str, roles: List[str], variables: Mapping[str, str]) -> Dict[str, Tuple[str, str]]:
    """Return {kind: (setting, value)} of the guide's X_MEMORY_LIMIT and X_CPU_LIMIT for a service, by its name, its role or CONTAINER."""
    out: Dict[str, Tuple[str, str]] = {}
    for kind, ending in ((MEMORY, "_MEMORY_LIMIT"), (CPUS, "_CPU_LIMIT")):
        for word in ["CONTAINER"] + [name.upper().replace("-", "_") for name in roles + [service] if name]:
            if variables.get(word + ending):
                out[kind] = (word + ending, variables[word + ending])
    return out
