# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that tells fail2ban what to do: what stands in it, what others say before and after it. Pure functions.

fail2ban reads jail.conf, jail.d/*.conf, jail.local and jail.d/*.local, each folder in the order of its names, and what is read later
wins. Ours is named so that it comes last, and says all that matters in the jail's own section, which wins over [DEFAULT] anywhere.
"""

from __future__ import annotations

import configparser
import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.parse import packet_filter

FOLDER = "/etc/fail2ban"
NAME = "zz-nself-prod.local"
PATH = FOLDER + "/jail.d/" + NAME
LOOPBACK = ("127.0.0.1/8", "::1")
# So many addresses of operators are remembered, the latest: one whose address changes daily must not leave a trail of open doors.
REMEMBERED = 4
OPERATORS = "# operators:"
HEADER = "# Written by nself.prod (role fail2ban): changes made here are lost.\n"

Settings = Dict[str, Dict[str, str]]


@dataclass(frozen=True)
class Jail:
    """A jail as it has to be. files: logs that it reads, none: the journal's `matches`; hooks: one of them has to be banned in.

    ports: those that a ban has to close, all where there is none. zone: the time zone of logs that do not say, "" for the host's.
    """

    name: str
    maxretry: int
    bantime: int
    findtime: int
    filter: str
    action: Tuple[str, ...]
    hooks: FrozenSet[str]
    ports: Tuple[int, ...] = ()
    files: Tuple[str, ...] = ()
    matches: str = ""
    zone: str = ""


def render(
    jails: Sequence[Jail], ignored: Sequence[str], operators: Sequence[str], off: Sequence[str], grow: bool
) -> str:
    """Return the file's text. off: jails that are to be off though another file may switch them on; grow: longer bans for who comes back."""
    out = [HEADER]
    if operators:
        out.append("%s %s\n" % (OPERATORS, " ".join(operators)))
    # Jails that are not ours must not shut the operator out either.
    out.append("\n[DEFAULT]\nignoreip = %s\n" % " ".join(ignored))
    for jail in jails:
        lines = [
            ("enabled", "true"),
            ("filter", jail.filter),
            ("backend", "polling" if jail.files else "systemd"),
            ("logpath", "\n          ".join(jail.files)) if jail.files else ("journalmatch", jail.matches),
            *([("logtimezone", jail.zone)] if jail.zone else []),
            ("maxretry", str(jail.maxretry)),
            ("findtime", str(jail.findtime)),
            ("bantime", str(jail.bantime)),
            ("bantime.increment", "true" if grow else "false"),
            ("port", ",".join(str(port) for port in jail.ports) or "0:65535"),
            ("action", "\n         ".join(jail.action)),
            ("ignoreip", " ".join(ignored)),
            ("ignoreself", "true"),
            ("ignorecommand", ""),
            ("usedns", "no"),
        ]
        out.append("\n[%s]\n%s" % (jail.name, "".join(("%s = %s" % line).rstrip() + "\n" for line in lines)))
    out.extend("\n[%s]\nenabled = false\n" % name for name in off)
    return "".join(out)


def settings(text: str) -> Settings:
    """Return {section: {key: value}} of a file of fail2ban's. Raises ValueError with one line."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0", delimiters=("=",))
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        raise ValueError("line %d stands in no section" % error.lineno) from None
    except configparser.ParsingError as error:
        raise ValueError("line %d is not understood" % error.errors[0][0]) from None
    return {name: {key: value or "" for key, value in parser.items(name)} for name in parser.sections()}


def remembered(text: str) -> List[str]:
    """Return the operators' addresses in a file of ours."""
    found = re.search("^%s(.*)$" % re.escape(OPERATORS), text, re.M)
    return [word for word in (found.group(1).split() if found else []) if address(word) is not None]


def operators(known: Sequence[str], now: Optional[str]) -> List[str]:
    """Return the addresses to ignore as operators'. One that is known stays where it is, so that two who take turns change nothing."""
    plain = address(now or "")
    if plain is None or plain in known:
        return list(known)[-REMEMBERED:]
    return (list(known) + [plain])[-REMEMBERED:]


def address(text: str) -> Optional[str]:
    """Return an address as fail2ban knows it, without zone and not mapped into IPv6; None for anything else."""
    try:
        found: Any = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def foreign_ignored(files: Sequence[Settings], jails: Iterable[str]) -> Tuple[List[str], List[str]]:
    """Return what other files let pass, in their order, and what of it is too wide or too clever to be taken over.

    files: in the order in which they are read. They may name somebody whom a ban would shut out.
    """
    in_force: Dict[str, str] = {}
    for file in files:
        for section in ["DEFAULT"] + list(jails):
            if "ignoreip" in file.get(section, {}):
                in_force[section] = file[section]["ignoreip"]
    words = [word for value in in_force.values() for word in re.split(r"[\s,]+", value) if word]
    taken: List[str] = []
    left: List[str] = []
    for word in dict.fromkeys(words):
        (left if "%" in word or _too_wide(word) else taken).append(word)
    return taken, left


def _too_wide(text: str) -> bool:
    try:
        return packet_filter.share([text]) >= 1
    except ValueError:
        return False  # a host's name


def unique(words: Iterable[str]) -> List[str]:
    """Return the words without those that say the same again."""
    return list({_network(word): word for word in reversed(list(words))}.values())[::-1]


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return text


def is_no_network(text: str) -> bool:
    """Tell whether a word has the form of a network and is none."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "/" in text
    return False


def overruled(ours: Settings, later: Mapping[str, Settings]) -> List[str]:
    """Return, one line each, what files that are read after ours say against it."""
    return [
        "%s sets %s of [%s]" % (path, key, section)
        for path, theirs in later.items()
        for section, keys in ours.items()
        if section != "DEFAULT"
        for key in keys
        if key in theirs.get(section, {}) and theirs[section][key].split() != keys[key].split()
    ]


def differences(
    jails: Sequence[Jail], ignored: Sequence[str], off: Sequence[str], seen: Mapping[str, Any]
) -> List[str]:
    """Return, one line each, in what the running server's jails (the collector's facts) are not as they have to be."""
    out = ["jail %s runs" % name for name in off if name in seen]
    for jail in jails:
        if jail.name not in seen:
            out.append("jail %s does not run" % jail.name)
            continue
        there = seen[jail.name]
        for key in ("maxretry", "bantime", "findtime"):
            out.extend(_differs(jail.name, key, there[key], getattr(jail, key)))
        out.extend(_differs(jail.name, "ignorecommand", there["ignorecommand"], ""))
        out.extend(_ignores(jail.name, there["ignoreip"], ignored))
        source = there["source"]
        if jail.files:
            out.extend(_differs(jail.name, "logpath", sorted(source["files"]), sorted(jail.files)))
        else:
            out.extend(_differs(jail.name, "journalmatch", " ".join(source["matches"]), jail.matches))
        out.extend(_bans(jail, there["actions"]))
    return out


def _differs(name: str, key: str, there: Any, wanted: Any) -> List[str]:
    if isinstance(there, Unread):
        return ["%s %s cannot be read (%s)" % (name, key, there.detail)]
    return [] if there == wanted else ["%s %s is %s instead of %s" % (name, key, _said(there), _said(wanted))]


def _said(value: Any) -> str:
    return " ".join(value) or "nothing" if isinstance(value, list) else str(value) or "nothing"


def _ignores(name: str, there: Any, wanted: Sequence[str]) -> List[str]:
    if isinstance(there, Unread):
        return ["%s ignoreip cannot be read (%s)" % (name, there.detail)]
    mine, theirs = {_network(word) for word in wanted}, {_network(word) for word in there}
    out = ["%s does not ignore %s" % (name, word) for word in sorted(mine - theirs)]
    return out + ["%s ignores %s" % (name, word) for word in sorted(theirs - mine)]


def _bans(jail: Jail, actions: Any) -> List[str]:
    if isinstance(actions, Unread):
        return ["%s action cannot be read (%s)" % (jail.name, actions.detail)]
    for action in actions:
        places, ports = action["places"], action["ports"]
        if isinstance(places, Unread) or isinstance(ports, Unread):
            continue
        if jail.hooks & set(places) and (not ports or {str(port) for port in jail.ports} == set(ports)):
            return []
    return ["%s bans nowhere in %s" % (jail.name, ", ".join(sorted(jail.hooks)))]
