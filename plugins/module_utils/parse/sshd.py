# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd says and is told: `sshd -T`, the Match and Include lines of its configuration, its patterns. All pure."""

from __future__ import annotations

import ipaddress
import re
import shlex
import struct
from typing import Any, Dict, Iterable, List, Sequence, Tuple

Settings = Dict[str, List[str]]

# The settings that are judged or needed to find keys; everything else that sshd prints stays out of the facts.
SINGLE = (
    "allowagentforwarding",
    "allowstreamlocalforwarding",
    "allowtcpforwarding",
    "authorizedkeyscommand",
    "clientalivecountmax",
    "clientaliveinterval",
    "disableforwarding",
    "logingracetime",
    "maxauthtries",
    "passwordauthentication",
    "permitemptypasswords",
    "permitrootlogin",
    "permittunnel",
    "pubkeyauthentication",
    "trustedusercakeys",
    "usepam",
    "x11forwarding",
)
# sshd prints no line at all for a list that is not set: absence is an answer, the empty list.
LISTS = ("allowgroups", "allowusers", "authenticationmethods", "authorizedkeysfile", "denygroups", "denyusers")

_ADDRESS = re.compile(r"\[?([\d.]+|[\da-fA-F:.]+(?:%\w+)?)\]?:(\d+)(?![^\s])")
# As sshd's strdelim() cuts a line: the keyword may be quoted, even in part, and behind an equals sign or an empty word.
_DIRECTIVE = re.compile(r"[\s=]*(?:\"\"\s*)?([^\s=\"]*)(?:\"([^\"]*)\"\s*|\s*=\s*|\s+|$)(.*)")
_FLAGS = ("all", "invalid-user")
_CRITERIA = ("user", "group", "host", "address", "localaddress", "localport", "rdomain")
_LISTENER = re.compile(r"(?:sshd: )?(/\S*sshd(?:\s.*?)?)(?:\s*\[listener\].*)?$")


def parse_settings(text: str) -> Settings:
    """Return what `sshd -T` printed: {lower-case keyword: its values}. Raises ValueError where it is not that."""
    settings: Settings = {}
    for line in text.splitlines():
        keyword, _space, value = line.strip().partition(" ")
        if keyword:
            settings.setdefault(keyword.lower(), []).append(value.strip())
    if "passwordauthentication" not in settings:
        raise ValueError("no settings in what sshd -T printed")
    return settings


def judged_values(settings: Settings) -> Dict[str, Any]:
    """Return the settings that judges read: strings, and lists of words for LISTS. What sshd does not print stays absent."""
    values: Dict[str, Any] = {name: settings[name][0] for name in SINGLE if name in settings}
    values.update((name, words(settings, name)) for name in LISTS)
    # Before OpenSSH 8.7 either name turns keyboard-interactive on.
    interactive = settings.get("kbdinteractiveauthentication", []) + settings.get("challengeresponseauthentication", [])
    if interactive:
        values["kbdinteractiveauthentication"] = "yes" if "yes" in interactive else interactive[0]
    return values


def words(settings: Settings, name: str) -> List[str]:
    """Return all words of a setting, over all its lines."""
    return [word for value in settings.get(name, []) for word in value.split()]


def listen_address(text: str) -> Tuple[str, int]:
    """Return (address, port) of `1.2.3.4:22`, `[::]:22` or `[::]:22 (Stream)`. Raises ValueError."""
    found = _ADDRESS.match(text)
    if not found:
        raise ValueError("no address and port in %r" % text)
    return found.group(1), int(found.group(2))


def kernel_address(text: str) -> Tuple[str, int]:
    """Return (address, port) of /proc/net/tcp's `0100007F:0016`: 32-bit words in the machine's own byte order."""
    digits, port = text.split(":")
    packed = b"".join(struct.pack("=I", int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    return str(ipaddress.ip_address(packed)), int(port, 16)


def daemon_options(command: str) -> List[str]:
    """Return the options of a listening sshd's command line that change its settings, ready for `sshd -T`.

    command: its process title, `sshd: /usr/sbin/sshd -D -o X=y [listener] 0 of 10-100 startups`, or its plain arguments.
    """
    found = _LISTENER.match(command.strip())
    arguments = found.group(1).split()[1:] if found else []
    return effective_options(arguments)


def is_listener(command: str) -> bool:
    """Return whether a process title is a listening sshd's, and not that of one session."""
    return _LISTENER.match(command.strip()) is not None


def effective_options(arguments: Iterable[str]) -> List[str]:
    """Return those of sshd's arguments that change its settings; -D, -e, -i and the like are dropped."""
    kept: List[str] = []
    arguments = iter(arguments)
    for argument in arguments:
        if argument in ("-4", "-6"):
            kept.append(argument)
        elif argument[:2] in ("-f", "-o", "-p", "-h", "-c", "-u", "-g"):
            kept += [argument] if len(argument) > 2 else [argument, next(arguments, "")]
        elif argument in ("-C", "-E", "-R", "-b", "-k"):
            next(arguments, "")
    return kept


def parse_config(text: str) -> Tuple[List[str], List[Tuple[str, List[str]]]]:
    """Return (patterns of Include lines, criteria of Match lines as (name, patterns)) of a configuration file.

    Raises ValueError for a criterion that is not known here, since it could hide a block that opens something.
    """
    includes, criteria = [], []
    for line in text.splitlines():
        keyword, rest = directive(line)
        if keyword == "include":
            includes += shlex.split(rest, comments=True)
        elif keyword == "match":
            criteria += _criteria(shlex.split(rest, comments=True))
    return includes, criteria


def directive(line: str) -> Tuple[str, str]:
    """Return (lower-case keyword, the rest of the line) of a line of a configuration; ("", "") where it holds none."""
    found = _DIRECTIVE.match(line)
    keyword = (found.group(1) + (found.group(2) or "")).lower() if found else ""
    if not found or not keyword or keyword.startswith("#"):
        return "", ""
    return keyword, found.group(3)


def _criteria(arguments: Sequence[str]) -> List[Tuple[str, List[str]]]:
    out: List[Tuple[str, List[str]]] = []
    left = list(arguments)
    while left:
        name, equals, value = left.pop(0).partition("=")
        name = name.lower()
        if name in _FLAGS:
            out.append((name, []))
            continue
        if name not in _CRITERIA:
            raise ValueError("Match criterion %s is not known" % name)
        if not equals:
            value = left.pop(0) if left else ""
        out.append((name, [pattern for pattern in value.split(",") if pattern]))
    return out


def matches(pattern: str, text: str) -> bool:
    """Return whether one of sshd's patterns (* and ?) matches, without its negation mark."""
    expression = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern.lstrip("!"))
    return re.fullmatch(expression, text, re.DOTALL) is not None


def samples(name: str, pattern: str) -> List[str]:
    """Return values on both sides of a Match pattern (without its negation mark).

    A network gives its ends and the address behind it. Networks lie inside each other or apart, so whatever a wider one keeps
    of its exceptions begins at one of these addresses.
    """
    pattern = pattern.lstrip("!")
    if name not in ("address", "localaddress"):
        return [re.sub(r"[*?]", "x", pattern)]
    if re.search(r"[*?]", pattern):
        star = (
            "1" if ":" in pattern else "1" + ".1" * (3 - pattern.count("."))
        )  # the last * may span parts of an address
        return [re.sub(r"[*?]", "1", pattern[::-1].replace("*", star[::-1], 1)[::-1])]
    network = ipaddress.ip_network(pattern, strict=False)
    first, last = network.network_address, network.broadcast_address
    behind = [last + 1] if int(last) + 1 < 1 << network.max_prefixlen else []
    return list(dict.fromkeys(str(address) for address in [first, last] + behind))


def fits(pattern: str, text: str) -> bool:
    """Return whether a pattern for hosts or addresses (a network too), without its negation mark, matches."""
    try:
        return ipaddress.ip_address(text) in ipaddress.ip_network(pattern.lstrip("!"), strict=False)
    except ValueError:
        return matches(pattern.lower(), text.lower())


def meets(patterns: Sequence[str], text: str) -> bool:
    """Return whether a Match list is met: one pattern fits, and none that is negated does."""
    hits = [pattern for pattern in patterns if fits(pattern, text)]
    return bool(hits) and not any(pattern.startswith("!") for pattern in hits)


# Patterns that let in most of these names from most of these addresses name everybody, however they spell it.
SOMEBODY = ("anna", "deploy1", "gitlab-runner", "mike", "nself-no-such-user", "postgres", "test_user", "visitor")
SOMEWHERE = ("8.8.4.4", "93.184.215.14", "151.101.1.69", "203.0.113.7")


def lets_most_in(patterns: Sequence[str]) -> bool:
    """Return whether an allow-list of USER or USER@HOST patterns limits nobody to speak of."""
    pairs = [pattern.partition("@") for pattern in patterns]
    logins = [(name, address) for name in SOMEBODY for address in SOMEWHERE]
    hits = [
        any(matches(user, name) and (not at or fits(host, address)) for user, at, host in pairs)
        for name, address in logins
    ]
    return sum(hits) * 2 >= len(hits)


def may_log_in(user: str, groups: Sequence[str], values: Dict[str, Any]) -> bool:
    """Return whether Allow/DenyUsers/Groups let this user in from anywhere. groups: of the user; values: judged_values()."""

    def named(patterns: Sequence[str], anywhere: bool) -> bool:
        # USER@HOST denies from some hosts only, and allows from some.
        return any(matches(p.split("@", 1)[0], user) and (anywhere or "@" not in p) for p in patterns)

    def grouped(patterns: Sequence[str]) -> bool:
        return any(matches(pattern, group) for pattern in patterns for group in groups)

    return not (
        named(values["denyusers"], False)
        or (values["allowusers"] and not named(values["allowusers"], True))
        or grouped(values["denygroups"])
        or (values["allowgroups"] and not grouped(values["allowgroups"]))
    )
