# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role could not do on a host, in a line each, from what its modules return. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from ansible_collections.nself.prod.plugins.plugin_utils.report.fleet import some_of
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean

NOT_APPLICABLE = "not_applicable"
# By key of a result: what its list of names or texts, or its names with reasons, are about. Nothing where each text says it by itself.
WORDS = {
    NOT_APPLICABLE: "",
    "left": "",
    "refused": "may not be set here",
    "outside": "belongs to the machine around the container",
    "left_out": "",
    "strays": "still listens",
    "needed": "left on",
    "weak_user_keys_left": "a weak key stays, since its user has no other",
    "not_ignored": "not ignored any more",
}
# Where a role's key has a meaning of its own; None: it is no excuse.
OF_ROLE: dict[str, dict[str, Optional[str]]] = {
    "auditd": {"left_out": None},
    "unattended_upgrades": {
        "left_out": "another file's blacklist keeps these from being updated",
        "held_back": "an update is left to you",
        "pending": "an update is not installed yet",
    },
}


def excuses(result: Mapping[str, Any], role: str = "") -> list[str]:
    """Return what a result of a role says could not be done."""
    out = []
    told: dict[str, Optional[str]] = {**WORDS, **OF_ROLE.get(role, {})}
    for key, words in told.items():
        if words is None:
            continue
        out += [clean("%s: %s" % (words, text) if words else text) for text in _texts(result.get(key))]
    for key, value in result.items():
        # A part of the module's work, with a state of its own.
        if isinstance(value, Mapping) and value.get("state") == NOT_APPLICABLE:
            out.append(clean("%s: %s" % (key, value.get("reason") or "there is no such thing here")))
    docker = result.get("docker")
    if isinstance(docker, Mapping) and docker.get("state") == "running" and docker.get("guarded") is False:
        out.append(clean("the ports that Docker publishes are not filtered (it filters by %s)" % docker.get("backend")))
    if result.get("reboot_required") is True:
        out.append("the host has to be rebooted for its updates to take effect")
    if result.get("applicable") is False and not out:
        out.append("there is nothing of it on this host")
    return out


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, Mapping):
        reasons: dict[str, list[str]] = {}
        for name, reason in value.items():
            reasons.setdefault(str(reason or ""), []).append(str(name))
        return ["%s: %s" % (some_of(names), reason) if reason else some_of(names) for reason, names in reasons.items()]
    if isinstance(value, (list, tuple)):
        texts = [str(item) for item in value if isinstance(item, str) and item.strip()]
        # Names are told in one line, sentences one by one.
        return texts if any(" " in text for text in texts) else [some_of(texts)] if texts else []
    return []
