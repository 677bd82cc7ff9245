# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts and logs, for the check of monitoring."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread

from .units import NO_DEPLOYMENT, unit


def receiver(name="team", root=True, working=("webhook",), problems=(), unknown=()):
    return {
        "name": name,
        "root": root,
        "working": list(working),
        "problems": list(problems),
        "unknown": list(unknown),
    }


def watched(*receivers, settings=None, env=None, driver="json-file", size="10m", **more):
    """Return the facts of a project whose prometheus tells alertmanager, which tells the receivers."""
    prometheus = {"service": "prometheus", "alerts": 3, "alertmanager": True}
    facts = {
        "alertmanager": [{"service": "alertmanager", "receivers": list(receivers) or [receiver()]}],
        "prometheus": [prometheus],
        "logs": [{"service": "app", "driver": driver, "max_size": size}],
    }
    facts.update(more)
    units = [unit(role=role, service=role, env={}) for role in ("alertmanager", "prometheus")]
    units.append(unit("app", role="", env=env or {}))
    return {
        "deployment": {"state": "found", "units": units, "settings": settings or {}},
        "monitoring": facts,
    }


def rules(alerts=3, alertmanager=True):
    return [{"service": "prometheus", "alerts": alerts, "alertmanager": alertmanager}]


DECLARED = {"ALERT_CPU": {"value": "80", "file": ".env.prod"}}
# What a unit is called and whether it runs is not asked; an empty environment and a receiver that is not used as well.
OPTIONAL = {
    ("INFRA-41", "deployment.units.service"),
    ("INFRA-41", "deployment.units.level"),
    # Whether nself's own services read a setting is known without looking at them.
    ("INFRA-41", "deployment.units.env"),
}
CASES = {
    "INFRA-41": {
        "pass": [
            watched(),
            watched(receiver("none", working=()), receiver("team", root=False)),
            watched(settings=DECLARED, env={"ALERT_CPU": "80"}),
            watched(driver="local", size=""),
        ],
        "fail": [
            watched(receiver(working=())),
            watched(receiver(working=(), problems=("webhook: its url leads to localhost, where nobody reads",))),
            watched(receiver(), receiver("night", False, working=(), problems=("email: its to names nobody",))),
            watched(prometheus=rules(alerts=0)),
            watched(prometheus=rules(alertmanager=False)),
            watched(settings=DECLARED),
            watched(size=""),
            watched(driver="none"),
            {
                "deployment": {"state": "found", "units": [unit("app", role="", env={})], "settings": {}},
                "monitoring": {"alertmanager": [], "prometheus": [], "logs": []},
            },
        ],
        "unknown": [
            watched(receiver(working=(), unknown=("carrierpigeon",))),
            watched(alertmanager=[]),
            watched(
                alertmanager=[{"service": "alertmanager", "receivers": Unread("tool_absent", "the host has no PyYAML")}]
            ),
            watched(logs=Unread("error", "planted")),
        ],
        "not_applicable": [NO_DEPLOYMENT],
    }
}
