# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the environment of a hardened Hasura. Pure functions: from options and what is there to literal values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple
from urllib.parse import urlsplit

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.cors import origin_problem
from ansible_collections.nself.prod.plugins.module_utils.audit.units import whole_number
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.hasura_permissions import Access
from ansible_collections.nself.prod.plugins.module_utils.change.tables.hasura import (
    CORS_DOMAIN,
    DISABLE_CORS,
    UNAUTHORIZED_ROLE,
    VARIABLES,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.hasura_flags import FLAGS

# The names by which Hasura's users know a visitor who is not logged in.
STRANGERS = ("anonymous", "public")
NOBODY = "nobody"
REFUSED = "none"  # the option's word for no role
_ROLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}\Z")


def variables(options: Mapping[str, Any], defaults: Mapping[str, Any], now: Mapping[str, str]) -> Dict[str, str]:
    """Return {variable: value} of the plain options. now: the engine's environment as its files give it.

    A default never takes the place of a stricter value that the deployment has already.
    """
    out = {}
    for option, name in VARIABLES.items():
        value = options[option]
        if value is None:
            continue
        needed = option == "enabled_apis" and options["permissions"]  # which are set through one of them
        if value == defaults[option] and not needed and _is_stricter(now.get(name, ""), value):
            out[name] = now[name]
        elif isinstance(value, bool):
            out[name] = "true" if value else "false"
        elif isinstance(value, (list, tuple)):
            out[name] = ",".join(str(item) for item in value)
        else:
            out[name] = str(value)
    return out


def _is_stricter(text: str, default: Any) -> bool:
    """Tell whether the engine takes less by a setting's text than by a default: fewer APIs, connections or seconds."""
    if isinstance(default, bool) or not text.strip():
        return False
    if isinstance(default, int):
        number = whole_number(text)
        return number is not None and 0 < number < default
    return {part.strip().lower() for part in text.split(",")} < set(default)


def check_options(options: Mapping[str, Any]) -> None:
    """Raise Refused for what the engine would not start with, or what contradicts itself."""
    if not options["enabled_apis"]:
        raise Refused("hasura_enabled_apis is empty: Hasura would serve nothing; name graphql at least")
    for option, least, most in (("websocket_init_timeout", 1, 600), ("pg_connections", 1, 10000)):
        if not least <= options[option] <= most:
            raise Refused("hasura_%s takes %d to %d, not %d" % (option, least, most, options[option]))
    role = options["unauthorized_role"]
    if role and not _ROLE.match(role):
        raise Refused("hasura_unauthorized_role: %r is no name of a role" % role)
    if role == "admin":
        raise Refused("hasura_unauthorized_role: as admin, everybody could do everything")
    if options["permissions"] and "metadata" not in options["enabled_apis"]:
        raise Refused("hasura_permissions are set through the metadata API: add metadata to hasura_enabled_apis")


# -- origins -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cors:
    """The origins whose pages may use the API; none: no page of another origin may. left: what to tell."""

    origins: Tuple[str, ...]
    left: Tuple[str, ...] = ()

    def variables(self, switched: bool) -> Dict[str, str]:
        """Return {variable: value}; switched: whether the generated files say something of the switch already."""
        if not self.origins:
            return {DISABLE_CORS: "true"}
        return dict({CORS_DOMAIN: ",".join(self.origins)}, **({DISABLE_CORS: "false"} if switched else {}))


def cors(wanted: Optional[Sequence[str]], now: str, settings: Mapping[str, str]) -> Cors:
    """Return the origins to allow: those that are named, else those that the deployment has, else its own.

    now: the value that the engine is started with; settings: the deployment's env files. What may be anybody's page (*, http, a
    visitor's own machine) is left out and told.
    """
    named = list(wanted) if wanted is not None else now.split(",")
    origins = [item.strip().rstrip("/") for item in named if item.strip()]
    problems = [(origin, origin_problem(origin)) for origin in origins]
    good = tuple(dict.fromkeys(origin for origin, problem in problems if problem is None))
    dropped = [str(problem) for _origin, problem in problems if problem]
    text = "Hasura allows not all the origins that are named: %s. Name your own, with https, in hasura_cors_domains"
    told = [text % "; ".join(dropped)] if dropped else []
    if good or (wanted is not None and not origins):
        return Cors(good, tuple(told))
    own = _own_origins(settings)
    if own:
        text = "Hasura allows pages of %s, which is what BASE_DOMAIN and AUTH_CLIENT_URL say; name others in hasura_cors_domains"
        return Cors(own, (text % ", ".join(own),))
    text = (
        "Hasura allows no page of another origin, as neither BASE_DOMAIN nor AUTH_CLIENT_URL is a public https name; "
        "name your own origins in hasura_cors_domains"
    )
    return Cors((), (text,))


def _own_origins(settings: Mapping[str, str]) -> Tuple[str, ...]:
    domain = settings.get("BASE_DOMAIN", "").strip().lower()
    found = ["https://" + domain, "https://*." + domain] if "." in domain else []
    client = settings.get("AUTH_CLIENT_URL", "").strip()
    try:
        parts = urlsplit(client)
    except ValueError:
        parts = urlsplit("")
    if parts.netloc and "@" not in parts.netloc:
        origin = "%s://%s" % (parts.scheme, parts.netloc.lower())
        if not (domain and (parts.hostname == domain or str(parts.hostname).endswith("." + domain))) or parts.port:
            found.append(origin)
    return tuple(origin for origin in dict.fromkeys(found) if origin_problem(origin) is None)


# -- the role of those who are not logged in -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strangers:
    """The role of requests without a token. role: "" for none; left: what to tell."""

    role: str
    left: Tuple[str, ...] = ()


def strangers(wanted: Optional[str], now: str, running: str, access: Optional[Access]) -> Strangers:
    """Return the role of requests without a token.

    now: the one that the generated files give; running: the one in force; access: what the role in question may do, None where
    the engine could not be asked. A site that shows something to everybody keeps doing so as long as that is harmless.
    """
    role = now if wanted is None else wanted
    if not role or wanted == REFUSED:
        return Strangers("")
    if access is None:
        if wanted is not None:
            return Strangers(role)
        text = "Hasura: what the role %s may do could not be read, so requests without a token stay as they are" % role
        return Strangers(running, (text,))
    told = []
    if role not in STRANGERS:
        told.append("is a role of users")
    if access.bad:
        told.append("may " + ", ".join(access.bad))
    problem = "Hasura: everybody without a token acts as %s, which %s" % (role, " and ".join(told)) if told else ""
    if wanted is not None:
        return Strangers(
            role, (problem + "; take that away from it, or set hasura_unauthorized_role: none",) if told else ()
        )
    if told:
        text = (
            "%s. Requests without a token are refused from now on: give the role filtered select permissions only (hasura_permissions), "
            "or set hasura_unauthorized_role: %s if that is meant to be public" % (problem, role)
        )
        return Strangers("", (text,))
    if not access.used:
        return Strangers("")
    if not access.shown:
        return Strangers(role)
    seen = ", ".join(access.tables) or "actions or remote schemas"
    text = (
        "Hasura: everybody without a token acts as %s and sees the schema of %s; switch introspection off for that role in the metadata, or set "
        "hasura_unauthorized_role: none to refuse them"
    )
    return Strangers(role, (text % (role, seen),))


def role_variable(role: str, declared: bool, before: bool, free: Sequence[str]) -> Dict[str, Optional[str]]:
    """Return the fragment's entry for the role of requests without a token.

    None takes the variable away: the engine does not start with an empty one. Where an env file declares it compose would fill it in
    again, so such a deployment gets a role that may do nothing. before: whether the generated files set it; free: roles without any
    permission.
    """
    if role:
        return {UNAUTHORIZED_ROLE: role}
    if not before:
        return {}
    return {UNAUTHORIZED_ROLE: (list(free) or [NOBODY])[0] if declared else None}


# -- the command line ------------------------------------------------------------------------------------------------------


def without_flags(command: Sequence[str], names: Sequence[str]) -> Optional[List[str]]:
    """Return a command line without the flags that would beat these variables; None where it has none of them.

    Raises Refused where a shell's script holds them: nobody but its author can tell what it does.
    """
    flags = {flag: switch for flag, (name, switch) in FLAGS.items() if name in names}
    if not any(part.partition("=")[0] in flags for part in command):
        words = " ".join(command)
        inside = sorted(flag for flag in flags if re.search(r"(?<!\S)%s(?![a-z-])" % re.escape(flag), words))
        if inside:
            raise Refused(
                "hasura's command is a script with %s, which beats the environment: take it out of the compose file"
                % ", ".join(inside)
            )
        return None
    out: List[str] = []
    skip = False
    for part in command:
        if skip:
            skip = False
            continue
        flag, sign, _value = part.partition("=")
        if flag in flags:
            skip = not sign and not flags[flag]
            continue
        out.append(part)
    return out
