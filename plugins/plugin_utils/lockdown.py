# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's view of a lockdown: what was asked, read strictly, and what became of it on each host. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.nself.prod.plugins.module_utils.change import lockdown_rules as rules
from ansible_collections.nself.prod.plugins.plugin_utils.options import OptionError
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean, clean_tree

PREFIX = "nself_lockdown_"
OPTIONS = tuple(
    PREFIX + name for name in ("state", "sources", "peers", "stop", "hosts", "output", "guard_seconds", "become")
)
REGISTERED = tuple(PREFIX + name for name in ("options", "result", "containers", "report"))  # the playbook's own
STATES = ("present", "absent")
FEWEST_SECONDS, MOST_SECONDS = 5, 900  # as the module takes them
FORMAT = "nself-prod-lockdown/1"

# What became of a host, and whether that is what was asked for.
LOCKED, LIFTED, UNCHANGED = "locked", "lifted", "unchanged"
WOULD = {LOCKED: "would lock", LIFTED: "would lift"}
UNREACHABLE, REFUSED, TAKEN_BACK, FAILED, INCOMPLETE = "unreachable", "refused", "taken back", "failed", "incomplete"
GOOD = (LOCKED, LIFTED, UNCHANGED) + tuple(WOULD.values())


def known_variables(names: Iterable[str]) -> None:
    """Raise OptionError for a variable that looks like one of ours and is none: it would be passed over in silence."""
    unknown = sorted({str(name) for name in names if str(name).startswith(PREFIX)} - set(OPTIONS) - set(REGISTERED))
    if unknown:
        raise OptionError("unknown variable %s; known are: %s" % (", ".join(unknown), ", ".join(OPTIONS)))


def state(given: Any) -> str:
    """Return present or absent. Raises OptionError."""
    word = str(given).strip().lower()
    if word not in STATES:
        raise OptionError("nself_lockdown_state takes %s, not %s" % (" or ".join(STATES), given))
    return word


def seconds(given: Any) -> int:
    """Return how long a host waits for the fresh login. Raises OptionError."""
    text = str(given).strip()
    if not re.fullmatch(r"[0-9]{1,4}", text) or not FEWEST_SECONDS <= int(text) <= MOST_SECONDS:
        raise OptionError("nself_lockdown_guard_seconds takes %d to %d, not %s" % (FEWEST_SECONDS, MOST_SECONDS, given))
    return int(text)


def addresses(name: str, given: Any) -> list[str]:
    """Return addresses and networks of a list, or of a text with commas, as they were written. Raises OptionError."""
    if given is None:
        return []
    words = given.split(",") if isinstance(given, str) else given
    if isinstance(words, Mapping) or not isinstance(words, Sequence):
        raise OptionError("%s takes addresses and networks separated by commas, or a list of them" % name)
    found = [str(word).strip() for word in words if str(word).strip()]
    try:
        rules.networks(found)
    except rules.Unusable as error:
        raise OptionError("%s: %s" % (name, error)) from None
    return found


def outcome(wanted: str, check: bool, result: Any, containers: Any) -> dict[str, Any]:
    """Return what became of a host. result, containers: what its two tasks registered; wanted: the state that was asked for."""
    result = result if isinstance(result, Mapping) else {}
    containers = containers if isinstance(containers, Mapping) else {}
    host: dict[str, Any] = {"outcome": FAILED, "seconds": result.get("seconds"), "message": "", "lockdown": None}
    host["containers"] = []
    message = clean(str(result.get("msg") or ""))
    if not result:
        return dict(host, message="nothing was done: the play had ended before it came to this host")
    if result.get("unreachable"):
        return dict(host, outcome=UNREACHABLE, message=message or "it does not answer")
    if "lockdown" not in result:
        kind = REFUSED if result.get("refused") else TAKEN_BACK if result.get("rolled_back") else FAILED
        return dict(host, outcome=kind, message=message or "it failed without a message")
    host["lockdown"] = clean_tree(result["lockdown"])
    host["containers"] = [clean(str(name)) for name in containers.get("containers") or []]
    changed = bool(result.get("changed") or containers.get("changed"))
    done = (LOCKED if wanted == "present" else LIFTED) if changed else UNCHANGED
    host["outcome"] = WOULD.get(done, done) if check else done
    host["message"] = "; ".join(_said(wanted, host, containers, check))
    if containers.get("unreachable") or ("containers" not in containers and containers.get("msg")):
        # The rules are what was asked for, the containers are not.
        why = clean(str(containers.get("msg") or "the host does not answer any more"))
        host.update(outcome=INCOMPLETE, message="%s; but its containers: %s" % (host["message"], why))
    return host


def _said(wanted: str, host: Mapping[str, Any], containers: Mapping[str, Any], check: bool) -> list[str]:
    said = []
    if wanted == "present":
        told = host["lockdown"] or {}
        sources = ", ".join(_short(source) for source in told.get("sources") or [])
        ports = ", ".join(str(port) for port in told.get("ports") or [])
        said.append("only ssh from %s to port %s" % (sources, ports))
        if told.get("peers"):
            said.append("everything with %s" % ", ".join(_short(peer) for peer in told["peers"]))
    elif host["outcome"] == UNCHANGED:
        said.append("it was not locked down")
    else:
        said.append("the rules from before apply again")
    if host["containers"]:
        verb = "stopped" if wanted == "present" else "started"
        said.append("%s%s %s" % ("would have " if check else "", verb, ", ".join(host["containers"])))
    if containers.get("note"):
        said.append(clean(str(containers["note"])))
    return said


def _short(network: str) -> str:
    return re.sub(
        r"/(32|128)\Z", lambda found: "" if (found.group(1) == "128") == (":" in network) else found[0], network
    )


def good(host: Mapping[str, Any]) -> bool:
    """Return whether a host is in the state that was asked for."""
    return host["outcome"] in GOOD


def lines(hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the summary, one line a host."""
    bad = sum(1 for host in hosts.values() if not good(host))
    count = "%d host%s" % (len(hosts), "" if len(hosts) == 1 else "s")
    head = "Lockdown: %s%s" % (count, ", %d of them not in the state that was asked for" % bad if bad else "")
    names = max(map(len, hosts), default=0)
    kinds = max((len(host["outcome"]) for host in hosts.values()), default=0)
    out = [head]
    for name, host in hosts.items():
        spent = "%6.1f s" % host["seconds"] if isinstance(host["seconds"], (int, float)) else " " * 8
        out.append(
            ("  %s  %s  %s  %s" % (name.ljust(names), host["outcome"].ljust(kinds), spent, host["message"])).rstrip()
        )
    return out
