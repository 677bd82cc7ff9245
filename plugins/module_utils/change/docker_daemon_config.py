# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as it should be: what is there, merged with what is wanted, and never against the flags that dockerd is started with. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.files import URL_PASSWORD
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables import docker_daemon as table

Flags = Mapping[str, Sequence[str]]


class Wish(NamedTuple):
    """What is wanted. live_restore: None leaves it alone, as does log_opts; registries: those that may go without TLS; settings: the user's own."""

    live_restore: Optional[bool]
    log_opts: Optional[Mapping[str, Any]]
    registries: Sequence[str]
    settings: Mapping[str, Any]


class Engine(NamedTuple):
    """What the running engine says of itself; the defaults where none runs. driver: of logs, insecure: registries."""

    swarm: bool = False
    driver: str = ""
    insecure: Tuple[str, ...] = ()


class Plan(NamedTuple):
    """config: what the file should say; left: what stays as it is, a line each."""

    config: Dict[str, Any]
    left: Tuple[str, ...]


def parse(text: Optional[str], path: str) -> Dict[str, Any]:
    """Return what a daemon.json says. Raises ChangeError where it is not what dockerd takes."""
    if text is None or not text.strip():
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ChangeError("%s is no JSON (%s), and stays as it is: mend it by hand first" % (path, error)) from None
    if not isinstance(found, dict):
        raise ChangeError("%s holds no JSON object, and stays as it is: mend it by hand first" % path)
    return found


def rendered(config: Mapping[str, Any]) -> str:
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def has_secret(text: str) -> bool:
    """Tell whether a text, such as a proxy's URL or a log service's token, must not be shown."""
    names = re.findall(r'"([^"\\]+)"\s*:', text)
    return bool(URL_PASSWORD.search(text)) or any(is_secret_name(name.replace("-", "_")) for name in names)


def flags_of(arguments: Sequence[str]) -> Dict[str, List[str]]:
    """Return {long name: values} of dockerd's arguments. A flag without a value is "true"."""
    out: Dict[str, List[str]] = {}
    index = 0
    while index < len(arguments):
        item, index = arguments[index], index + 1
        if not item.startswith("-") or item == "--":
            continue
        if item.startswith("--"):
            name, sign, value = item[2:].partition("=")
        elif item[:2] in table.SHORT:
            name, value = table.SHORT[item[:2]], item[2:].lstrip("=")
            sign = value
        else:
            continue
        if not sign:
            follows = index < len(arguments) and not arguments[index].startswith("-")
            value, index = (arguments[index], index + 1) if follows else ("true", index)
        out.setdefault(name, []).append(value)
    return out


def plan(found: Mapping[str, Any], wish: Wish, flags: Flags, engine: Engine, where: str) -> Plan:
    """Return what the file should say. where: what gives dockerd its flags, for people. Raises ChangeError."""
    left: List[str] = []
    config = dict(found)
    flagged = {table.KEYS.get(name, name): list(values) for name, values in flags.items()}
    _live_restore(config, wish, flagged, engine, where, left)
    _logs(config, wish, flagged, engine, where, left)
    _registries(config, wish, flagged, engine, where, left)
    _hosts(config, wish, flagged, where, left)
    for key, value in wish.settings.items():
        if value is not None and key in flagged:
            raise ChangeError(_twice(key, where))
    config = merged(config, wish.settings)
    for key in config:
        # It would not start the next time, whoever wrote it.
        if key in flagged and key not in ("runtimes",):
            raise ChangeError(_twice(key, where))
    return Plan(config, tuple(left))


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> Dict[str, Any]:
    """Return base with another dictionary merged in at every level; None takes a key away."""
    out = dict(base)
    for key, value in change.items():
        if value is None:
            out.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(out.get(key), Mapping):
            out[key] = merged(out[key], value)
        else:
            out[key] = value
    return out


def _twice(key: str, where: str) -> str:
    return (
        "%s gives dockerd a flag for %s, and it does not start when daemon.json says that too: take it out in one of them"
        % (
            where,
            key,
        )
    )


def _live_restore(
    config: Dict[str, Any], wish: Wish, flagged: Flags, engine: Engine, where: str, left: List[str]
) -> None:
    key = "live-restore"
    wanted = wish.settings.get(key, wish.live_restore)
    if wanted is None:
        return
    if engine.swarm and wanted:
        left.append("this engine is part of a swarm, which goes with no live-restore: a restart stops its containers")
    elif key in flagged:
        if (flagged[key][-1].lower() in ("true", "1", "t")) != bool(wanted):
            raise ChangeError(
                "%s gives dockerd --live-restore=%s, and daemon.json must not say otherwise: take it out there"
                % (where, flagged[key][-1])
            )
    elif wanted or config.get(key):
        config[key] = bool(wanted)


def _logs(config: Dict[str, Any], wish: Wish, flagged: Flags, engine: Engine, where: str, left: List[str]) -> None:
    if not wish.log_opts:
        return
    told = wish.settings.get("log-driver") or config.get("log-driver")
    driver = str((flagged.get("log-driver") or [told or engine.driver or "json-file"])[-1])
    if driver not in table.LIMITED_DRIVERS:
        left.append("logs go to %s, which takes no max-size: see that they have a limit there" % driver)
        return
    if "log-opts" in flagged:
        if not any(value.startswith("max-size=") for value in flagged["log-opts"]):
            raise ChangeError(
                "%s gives dockerd --log-opt without a max-size, and daemon.json must not say it besides: "
                "take it out there, or add --log-opt max-size=%s" % (where, wish.log_opts.get("max-size", "10m"))
            )
        return
    options = {key: None if value is None else str(value) for key, value in wish.log_opts.items()}
    config["log-opts"] = merged(config.get("log-opts") or {}, options)


def _registries(
    config: Dict[str, Any], wish: Wish, flagged: Flags, engine: Engine, where: str, left: List[str]
) -> None:
    key = "insecure-registries"
    if key in flagged:
        left.append("%s trusts %s without TLS: take it out there" % (where, ", ".join(flagged[key])))
        return
    wanted = list(wish.registries)
    if key in config or wanted or engine.insecure:
        # An empty list, and not no list at all: only that makes a reload forget what it had.
        if sorted(map(str, config.get(key) or [])) != sorted(wanted) or key not in config:
            config[key] = wanted


def _hosts(config: Dict[str, Any], wish: Wish, flagged: Flags, where: str, left: List[str]) -> None:
    verified = wish.settings.get("tlsverify", config.get("tlsverify")) is True or (
        flagged.get("tlsverify") or ["false"]
    )[-1] not in ("false", "0")
    if verified:
        return
    for value in flagged.get("hosts") or ():
        if value.startswith("tcp:"):
            left.append(
                "%s has dockerd listen at %s without client certificates, which makes root of whoever reaches it: take it out there"
                % (where, value)
            )
    hosts = config.get("hosts")
    if isinstance(hosts, list):
        kept = [item for item in hosts if not str(item).startswith("tcp:")]
        if kept != hosts:
            config["hosts"] = kept
        if not kept:
            del config["hosts"]
