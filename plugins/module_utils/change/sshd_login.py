# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether sshd would let an account in with a key, and if not, why. From settings and key files as they would be; all pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.ssh_users import User
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

OTHERS_MAY_WRITE = 0o022
KEY_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}


class Account(NamedTuple):
    """files: key files as ssh_keys.key_files() tells of them; locked: the password is, by usermod -L or never set."""

    user: User
    files: Sequence[Mapping[str, Any]]
    locked: bool = False


def refusal(account: Account, address: str, settings: sshd.Settings) -> Optional[str]:
    """Return why this login would not work, with what to do, or None. settings: what sshd -T would say of it."""
    values = sshd.judged_values(settings)
    return (
        _named(account.user, address, values)
        or _root(account.user, values)
        or _locked(account, values)
        or _methods(account, settings, values)
    )


def _named(user: User, address: str, values: Mapping[str, Any]) -> Optional[str]:
    for setting, option in (("denyusers", ""), ("allowusers", "sshd_allow_users")):
        hits = [pattern for pattern in values[setting] if _fits_user(pattern, user.name, address)]
        if setting == "denyusers" and hits:
            return "DenyUsers %s keeps %s out; take it away first" % (hits[0], user.name)
        if setting == "allowusers" and values[setting] and not hits:
            return "AllowUsers %s leaves %s out; add it to %s" % (" ".join(values[setting]), user.name, option)
    for setting, option in (("denygroups", ""), ("allowgroups", "sshd_allow_groups")):
        hits = [name for name in values[setting] if any(sshd.matches(name, group) for group in user.groups)]
        if setting == "denygroups" and hits:
            return "DenyGroups %s keeps %s out; take it away first" % (hits[0], user.name)
        if setting == "allowgroups" and values[setting] and not hits:
            shown = (" ".join(values[setting]), user.name, ", ".join(user.groups) or "no group", option)
            return "AllowGroups %s leaves %s (%s) out; add one of its groups to %s" % shown
    return None


def _fits_user(pattern: str, name: str, address: str) -> bool:
    user, at, host = pattern.partition("@")
    return sshd.matches(user, name) and (not at or sshd.fits(host, address))


def _root(user: User, values: Mapping[str, Any]) -> Optional[str]:
    value = values["permitrootlogin"]
    if user.uid == 0 and value in ("no", "forced-commands-only"):
        return (
            "PermitRootLogin %s closes the login of %s; come as another user who may use sudo, or set sshd_permit_root_login"
            % (value, user.name)
        )
    return None


def _locked(account: Account, values: Mapping[str, Any]) -> Optional[str]:
    if account.locked and values.get("usepam") == "no":
        return (
            "the password of %s is locked, and without UsePAM sshd lets no such account in; keep UsePAM yes"
            % account.user.name
        )
    return None


def _methods(account: Account, settings: sshd.Settings, values: Mapping[str, Any]) -> Optional[str]:
    """Return why no list of AuthenticationMethods can be met."""
    without_key = _keys(account, settings, values)
    if values["passwordauthentication"] == "yes" and not account.locked:
        open_ways = {"password"}
    else:
        open_ways = set()
    if values.get("kbdinteractiveauthentication") == "yes":
        open_ways.add("keyboard-interactive")
    if without_key is None:
        open_ways.add("publickey")
    methods = values["authenticationmethods"] or ["any"]
    for method in methods:
        ways = {name.split(":")[0] for name in method.split(",")}
        if (method == "any" and open_ways) or ways <= open_ways:
            return None
    if without_key is None:
        return "AuthenticationMethods %s asks %s for more than a key, and that would be closed" % (
            " ".join(methods),
            account.user.name,
        )
    return without_key


def _keys(account: Account, settings: sshd.Settings, values: Mapping[str, Any]) -> Optional[str]:
    """Return why no key lets the account in, or None."""
    name = account.user.name
    if values.get("pubkeyauthentication") != "yes":
        return "PubkeyAuthentication is off, so no key would let %s in" % name
    if any(values.get(setting, "none") != "none" for setting in ("authorizedkeyscommand", "trustedusercakeys")):
        return None
    advice = "put a public key there first (sshd_authorized_keys does), since passwords would be closed"
    reasons: List[str] = []
    for file in account.files:
        bad = [] if settings.get("strictmodes") == ["no"] else unsafe(file["trail"], account.user.uid)
        keys = [key for key in file["keys"] if key["type"] is not None]
        if bad:
            reasons.append("sshd does not take the keys of %s: %s" % (file["path"], bad[0]))
        elif not keys:
            reasons.append("%s holds no key; %s" % (file["path"], advice))
        elif not any(_accepted(key, settings) for key in keys):
            reasons.append("sshd would take none of the keys in %s (type or size)" % file["path"])
        else:
            return None
    if not reasons:
        return "%s has no authorized_keys; %s" % (name, advice)
    return "%s could not log in: %s" % (name, "; ".join(reasons))


def unsafe(trail: Sequence[Mapping[str, Any]], uid: int) -> List[str]:
    """Return what StrictModes refuses about a key file and the directories above it."""
    out = []
    for place in trail:
        if place["uid"] not in (0, uid):
            out.append("%s is owned by uid %d; run chown" % (place["path"], place["uid"]))
        elif place["mode"] & OTHERS_MAY_WRITE:
            out.append("%s has mode %04o; run chmod go-w" % (place["path"], place["mode"]))
    return out


def _accepted(key: Dict[str, Any], settings: sshd.Settings) -> bool:
    least = (settings.get("requiredrsasize") or ["0"])[0]
    if key["type"] == "ssh-rsa" and least.isdigit() and (key["bits"] or 0) < int(least):
        return False
    accepted = ",".join(settings.get("pubkeyacceptedalgorithms") or settings.get("pubkeyacceptedkeytypes") or [])
    return not accepted or any(name in accepted.split(",") for name in KEY_ALGORITHMS.get(key["type"], (key["type"],)))
