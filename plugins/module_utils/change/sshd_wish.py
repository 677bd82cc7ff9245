# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directives sshd is to have, from the module's options and what this OpenSSH knows. All pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sshd as table
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

Directives = List[Tuple[str, str]]

HEAD = """\
# Written by the sshd role of nself.prod, which overwrites it. sshd takes the first value that it meets: this file is read first.
"""


class Known(NamedTuple):
    """What this OpenSSH knows. keywords: that sshd -T prints, lower-case; algorithms: {query of ssh -Q: names}."""

    keywords: Set[str]
    algorithms: Mapping[str, Sequence[str]]


class Chosen(NamedTuple):
    """What depends on this host: empty lists are left to whoever set them."""

    ports: Sequence[int]
    host_keys: Sequence[str]
    allow_users: Sequence[str]
    allow_groups: Sequence[str]


def directives(options: Mapping[str, Any], known: Known, chosen: Chosen) -> Directives:
    """Return (keyword, value) of each line of the drop-in. Raises ChangeError for options that cannot be meant."""
    if options["max_auth_tries"] < 1:
        raise ChangeError(
            "max_auth_tries is %d, so nobody could log in; it takes 1 or more" % options["max_auth_tries"]
        )
    lines: Directives = [("Port", str(port)) for port in chosen.ports]
    lines += [("HostKey", path) for path in chosen.host_keys]
    for keyword, names in (("AllowUsers", chosen.allow_users), ("AllowGroups", chosen.allow_groups)):
        _check_names(keyword, names)
        lines += [(keyword, " ".join(names))] if names else []
    for option, keyword in table.TYPED:
        value = word(options[option])
        if keyword == "KbdInteractiveAuthentication" and table.OLD_KEYBOARD.lower() in known.keywords:
            lines.append((table.OLD_KEYBOARD, value))
        lines.append((keyword, value))
    lines += _algorithms(options, known)
    extra = _settings(options["settings"] or {})
    given = {keyword.lower() for keyword, _values in extra}
    lines += [(keyword, value) for keyword, value in table.BASE if keyword.lower() not in given]
    # A directive that this OpenSSH does not know would keep it from starting. What the user asks for is for sshd -t to judge.
    unset = ("allowgroups", "allowusers", "hostkey", "port")
    lines = [line for line in lines if line[0].lower() in known.keywords or line[0].lower() in unset]
    return lines + [(keyword, value) for keyword, values in extra for value in values]


def render(lines: Directives) -> str:
    return HEAD + "".join("%s %s\n" % line for line in lines)


def values(lines: Directives) -> Dict[str, List[str]]:
    """Return {lower-case keyword, without aliases: its values}."""
    out: Dict[str, List[str]] = {}
    for keyword, value in lines:
        out.setdefault(plain_name(keyword), []).append(value)
    return out


def plain_name(keyword: str) -> str:
    return table.ALIASES.get(keyword.lower(), keyword.lower())


def word(value: Any) -> str:
    """Return a value as sshd_config writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _algorithms(options: Mapping[str, Any], known: Known) -> Directives:
    lines = []
    for option, keyword, query in table.ALGORITHMS:
        wanted = options[option]
        if not wanted:
            raise ChangeError("%s is empty: name at least one algorithm" % option)
        kept = [name for name in dict.fromkeys(wanted) if name in known.algorithms[query]]
        if not kept:
            raise ChangeError(
                "%s: this host's OpenSSH knows none of %s. Name some that `ssh -Q %s` prints there"
                % (option, ", ".join(wanted), query)
            )
        lines.append((keyword, ",".join(kept)))
    return lines


def _settings(given: Mapping[str, Any]) -> List[Tuple[str, List[str]]]:
    """Return (keyword, values) of the free settings; no values: the setting is left alone."""
    out = []
    for keyword, value in given.items():
        name = str(keyword).lower()
        if name in table.NO_SETTINGS or not name.isalnum():
            raise ChangeError("settings: %s is no setting of sshd that can stand here" % keyword)
        if name in table.OPTION_OF:
            raise ChangeError("settings: use %s instead of %s" % (table.OPTION_OF[name], keyword))
        values_ = [] if value is None else [word(each) for each in (value if isinstance(value, list) else [value])]
        for each in values_:
            if not each.strip() or "\n" in each or "\r" in each:
                raise ChangeError("settings: %s needs a value of one line" % keyword)
        out.append((str(keyword), values_))
    return out


def _check_names(keyword: str, names: Sequence[str]) -> None:
    for name in names:
        if not name or any(char.isspace() or char in "\"'#" for char in name):
            raise ChangeError("%s: %r is no name or pattern of a user or group" % (keyword, name))


def strict_enough(keyword: str, value: str, wished: Sequence[str]) -> bool:
    """Return whether a value of sshd_config or sshd -T grants no more than the wished one. keyword: plain_name()."""
    value, wish = " ".join(value.split()), " ".join(" ".join(wished).split())
    if value.lower() == wish.lower():
        return True
    if keyword in ("allowusers", "allowgroups"):
        return bool(value) and set(value.split()) <= set(wish.split())
    if keyword in table.RANKS:
        ranks = table.RANKS[keyword]
        return ranks.get(value.lower(), 99) <= ranks.get(wish.lower(), -1)
    if keyword in table.SMALLER + table.SMALLER_NOT_ZERO and value.isdigit() and wish.isdigit():
        return int(value) <= int(wish) and (keyword in table.SMALLER or int(value) > 0)
    return False


def differences(wish: sshd.Settings, found: sshd.Settings, managed: Sequence[str]) -> List[Tuple[str, str, str]]:
    """Return (keyword, wished, found) of the managed settings of sshd -T that grant more than the wish's own sshd -T."""
    out = []
    for keyword in managed:
        if keyword == "listenaddress":
            continue  # comes with its port, which another file may say
        wished, got = sorted(wish.get(keyword, [])), sorted(found.get(keyword, []))
        if keyword in ("allowusers", "allowgroups"):
            good = strict_enough(keyword, " ".join(got), wished)
        elif keyword in table.HARMLESS + ("subsystem",):
            good = set(wished) <= set(got)
        elif keyword in table.ADDED:
            good = set(wished) == set(got)
        elif keyword in table.ONCE:
            good = wished == got
        else:
            good = len(got) == len(wished) and all(strict_enough(keyword, g, [w]) for g, w in zip(got, wished))
        if not good:
            out.append((keyword, " ".join(wished) or "nothing", " ".join(got) or "nothing"))
    return out
