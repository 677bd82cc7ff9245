# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports for tests: a small builder, and the sample of the guide."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORY_OF_PREFIX
from ansible_collections.nself.prod.plugins.plugin_utils.report import fleet
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import host_report


def finding(id, status="pass", severity="warning", title=None, **more):
    """Return a finding as a host sends it."""
    return dict(
        {
            "id": id,
            "slug": id.lower(),
            "title": title or "Check %s" % id,
            "category": CATEGORY_OF_PREFIX[id.split("-")[0]],
            "severity": severity,
            "status": status,
            "reason": "needs_root" if status == "unknown" else None,
            "expected": "as it should be",
            "actual": "as it is",
            "declared": None,
            "level": "running",
            "resources": [],
            "evidence": [],
            "why": "It matters.",
            "fix": {"role": "sshd", "vars": [], "restarts": [], "by_hand": "Mend it."},
            "refs": ["s:sample"],
            "waiver": None,
            "fingerprint": "0123456789abcdef",
        },
        **more,
    )


def resource(name, status="fail", actual="", level="running", reason=None):
    return {"name": name, "status": status, "actual": actual, "level": level, "reason": reason}


def report(findings=(), **more):
    """Return a host's report as the module returns it."""
    return dict(
        {
            "generated_at": "2026-11-23T12:00:00Z",
            "duration_ms": 321,
            "privileged": True,
            "notes": [],
            "platform": PLATFORM,
            "deployment": DEPLOYMENT,
            "findings": list(findings),
            "problems": [],
            "waivers": {"used": [], "unused": [], "expired": []},
        },
        **more,
    )


def host(name, findings=(), **more):
    """Return an audited host, summed up."""
    return fleet.summed(host_report(name, {"report": report(findings, **more)}))


def lost(name, message="Connection timed out", unreachable=True):
    """Return a host that was not audited."""
    return host_report(name, {"unreachable": unreachable, "msg": message})


PLATFORM = {
    "id": "debian",
    "version_id": "13",
    "name": "Debian GNU/Linux 13 (trixie)",
    "kernel": "6.12.48",
    "python": "3.13.5",
    "container": None,
    "systemd": True,
    "euid": 0,
}
DEPLOYMENT = {
    "state": "found",
    "project": "shop",
    "directory": "/opt/nself",
    "environment": "prod",
    "candidates": [],
    "message": "",
}
NO_DEPLOYMENT = dict(dict.fromkeys(DEPLOYMENT), state="none", message="no nself deployment on this host")

# The guide's own example: 17 checks, 9 of them critical and passing, 8 warnings of which 3 fail.
GUIDE = [
    finding("AUTH-01", severity="critical", title="The Hasura console is off"),
    finding("AUTH-02", severity="critical", title="Hasura's developer mode is off"),
    finding("AUTH-04", severity="critical", title="The admin secret is strong"),
    finding("AUTH-13", severity="critical", title="The JWT key is strong"),
    finding("AUTH-19", title="Passwords are long"),
    finding(
        "AUTH-25",
        "fail",
        title="Logins are rate limited",
        expected="at most 5 tries in 15 minutes",
        actual="the limit is off",
        declared={"name": "AUTH_RATE_LIMIT_ENABLED", "value": "true", "file": ".env.prod"},
        why="Without a limit, passwords can be guessed as fast as the server answers.",
        fix={
            "role": "auth",
            "vars": ["auth_rate_limit"],
            "restarts": ["auth"],
            "by_hand": "Set AUTH_RATE_LIMIT_ENABLE=true for the auth service.",
        },
    ),
    finding("NET-01", severity="critical", title="Every public name speaks HTTPS"),
    finding("NET-08", severity="critical", title="Only TLS 1.2 and 1.3 are spoken"),
    finding("NET-11", title="HSTS is on"),
    finding("NET-25", severity="critical", title="Only ssh, http and https are public"),
    finding("DATA-02", title="Passwords are stored as SCRAM"),
    finding(
        "DATA-18",
        "fail",
        title="An audit log is written",
        actual="there is no audit log",
        fix={
            "role": "postgres_audit",
            "vars": [],
            "restarts": [],
            "by_hand": "Create the audit log table and its triggers.",
        },
    ),
    finding("DATA-29", severity="critical", title="Files with secrets are private"),
    finding("INFRA-01", severity="critical", title="The firewall denies by default"),
    finding("INFRA-10", title="Few password tries per connection"),
    finding("INFRA-19", title="Security updates install themselves"),
    finding(
        "INFRA-31",
        "fail",
        title="Containers have limits",
        actual="2 of 9: postgres: no memory limit; redis: no memory limit",
        resources=[
            resource("postgres", actual="no memory limit"),
            resource("redis", actual="no memory limit"),
            resource("nginx", "pass", "512 MB"),
        ],
        fix={
            "role": "containers",
            "vars": [],
            "restarts": [],
            "by_hand": "Give each service a memory limit in the override file.",
        },
    ),
]
