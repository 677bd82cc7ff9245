# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hasura-auth is to be told, out of the role's options, its present environment and the project's names. Pure functions."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, Mapping, Tuple
from urllib.parse import urlsplit

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.auth_service import PRIVILEGED_ROLES
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.stack import MAIL_CATCHERS
from ansible_collections.nself.prod.plugins.module_utils.audit.redirects import redirect_problem
from ansible_collections.nself.prod.plugins.module_utils.audit.units import go_duration
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables import auth as table

REDIRECTS = "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"
_DOMAIN = re.compile(r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]\Z")
# Names that lead to the machine itself, or to no machine at all.
_NOT_PUBLIC = ("localhost", "local", "internal", "invalid", "test", "example")
# nself's own name that everybody's DNS resolves to 127.0.0.1.
_LOOPBACK = ("local.nself.org",)


def environment(
    options: Mapping[str, Any], now: Mapping[str, str], variables: Mapping[str, str]
) -> Tuple[Dict[str, str], List[str]]:
    """Return ({name: value} for hasura-auth, what to tell). now: its environment; variables: what the env files say.

    Raises Refused for an option that hasura-auth would not understand.
    """
    out: Dict[str, str] = {}
    told: List[str] = []
    given = dict(options)
    client = given.get("client_url") or now.get("AUTH_CLIENT_URL") or ""
    given["mfa_issuer"] = given.get("mfa_issuer") or now.get("AUTH_MFA_TOTP_ISSUER") or _issuer(variables)
    given["default_role"], given["default_allowed_roles"] = _roles(given, now, told)
    given["redirect_urls"] = _redirects(given, now, client, variables, told)
    for setting in table.SETTINGS:
        value = given.get(setting.option)
        if value is not None:
            out[setting.name] = _text(setting, value)
    if not client and out.get("AUTH_WEBAUTHN_ENABLED") == "true":
        # It takes the name that security keys are bound to from there, and does not start without.
        out["AUTH_WEBAUTHN_ENABLED"] = "false"
        told.append("security keys stay off, since AUTH_CLIENT_URL is not set: give auth_client_url")
    told += _warnings(out, now, client)
    return out, told


def _text(setting: table.Setting, value: Any) -> str:
    """Return an option as hasura-auth reads it."""
    if setting.kind == table.BOOL:
        return "true" if value else "false"
    if setting.kind == table.LIST:
        return ",".join(str(item).strip() for item in value)
    text = str(value).strip()
    if setting.kind == table.DURATION and not go_duration(text):
        raise Refused("auth_%s: %s is no duration such as 15m or 1h30m" % (setting.option, text))
    if setting.kind == table.COUNT and int(value) < setting.least:
        raise Refused("auth_%s: %s is less than %d" % (setting.option, text, setting.least))
    if "\n" in text or "\r" in text:
        raise Refused("auth_%s has a line break" % setting.option)
    return text


def _issuer(variables: Mapping[str, str]) -> str:
    """Return the name that authenticator apps show."""
    domain = variables.get("BASE_DOMAIN", "").strip().lower()
    return domain if is_public(domain) else variables.get("PROJECT_NAME", "").strip() or "auth"


def _roles(given: Mapping[str, Any], now: Mapping[str, str], told: List[str]) -> Tuple[str, List[str]]:
    """Return the default role and the allowed roles of new users: those there are, without a privileged one."""
    present = now.get("AUTH_USER_DEFAULT_ROLE", "").strip()
    role = str(given.get("default_role") or ("" if _is_privileged(present) else present) or table.DEFAULT_ROLE)
    if given.get("default_allowed_roles"):
        allowed = [str(item).strip() for item in given["default_allowed_roles"]]
    else:
        listed = [item.strip() for item in now.get("AUTH_USER_DEFAULT_ALLOWED_ROLES", "").split(",") if item.strip()]
        allowed = [item for item in listed if not _is_privileged(item)] or list(table.DEFAULT_ALLOWED_ROLES)
        taken = sorted({item for item in listed + [present] if _is_privileged(item)})
        if taken:
            told.append(
                "new users do not get %s any more; who has it already keeps it: look at auth.user_roles"
                % ", ".join(taken)
            )
    # hasura-auth refuses to start with a default role that is not allowed.
    return role, allowed if role in allowed else allowed + [role]


def _is_privileged(role: str) -> bool:
    return role.lower() in PRIVILEGED_ROLES


def _redirects(
    given: Mapping[str, Any], now: Mapping[str, str], client: str, variables: Mapping[str, str], told: List[str]
) -> Any:
    """Return the redirect targets: those given, else what is good of those there are, else the project's own sites."""
    if given.get("redirect_urls"):
        return list(given["redirect_urls"])
    listed = [url.strip() for url in now.get(REDIRECTS, "").split(",") if url.strip()]
    good = [url for url in listed if not redirect_problem(url)]
    dropped = [url for url in listed if redirect_problem(url)]
    if dropped:
        told.append(
            "logins do not redirect to %s any more: name it in auth_redirect_urls to keep it" % ", ".join(dropped)
        )
    urls = good or own_sites(client, variables)
    if urls and not listed:
        told.append("logins redirect to %s only: name others in auth_redirect_urls" % ", ".join(urls))
    if not urls:
        told.append(
            "logins redirect to AUTH_CLIENT_URL (%s) only, and no https site of yours is known: give auth_redirect_urls"
            % (client or "not set")
        )
        return [] if dropped else None
    return urls


def own_sites(client: str, variables: Mapping[str, str]) -> List[str]:
    """Return the https origins that the project's settings name: the client's, the domain's, and its frontends'."""
    found = []
    parts = urlsplit(client)
    if parts.scheme == "https" and parts.netloc:
        found.append("https://" + parts.netloc)
    domain = variables.get("BASE_DOMAIN", "").strip().lower()
    if is_public(domain):
        found.append("https://" + domain)
        routes = (value for name, value in sorted(variables.items()) if re.match(r"FRONTEND_APP_\d+_ROUTE\Z", name))
        found += ["https://%s.%s" % (route, domain) for route in routes if re.match(r"[a-z0-9.-]+\Z", route)]
    return _once(url for url in found if not redirect_problem(url))


def is_public(domain: str) -> bool:
    """Tell whether a name may be a site of its own, rather than this machine or a placeholder."""
    return bool(_DOMAIN.match(domain)) and domain.rsplit(".", 1)[-1] not in _NOT_PUBLIC and domain not in _LOOPBACK


def _once(items: Iterable[str]) -> List[str]:
    return list(dict.fromkeys(items))


def _warnings(out: Mapping[str, str], now: Mapping[str, str], client: str) -> List[str]:
    told = []
    smtp = now.get("AUTH_SMTP_HOST", "").strip().lower()
    if out.get("AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED") == "true" and (not smtp or smtp in MAIL_CATCHERS):
        told.append(
            "new users cannot log in before they verify their address, and mail goes to %s: set AUTH_SMTP_HOST and its kin to a "
            "real mail server, or give auth_email_verified: false" % (smtp or "no server")
        )
    if out.get("AUTH_PASSWORD_HIBP_ENABLED") == "true":
        told.append(
            "new passwords are looked up at api.pwnedpasswords.com: hasura-auth needs a way out to it (port 443), else it refuses them"
        )
    if client.startswith("http:"):
        told.append("links in mails lead to %s: give auth_client_url: https://…" % client)
    return told
