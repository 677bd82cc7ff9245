# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nginx lets a client do: how often it may ask, how long it may take, how much it may send."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.auth_service import login_rate_limit
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.fail2ban import nginx_effective
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    Missing,
    NotApplicable,
    Reason,
    Resource,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.nginx_in_force import entries, in_force, throttles
from ansible_collections.nself.prod.plugins.module_utils.audit.units import of_role
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed, unread

NGINX = ("nginx",)
ROLES = (("auth", "sign-in"), ("hasura", "GraphQL"))
MIB = 1 << 20
WANTED_STATUS = "429"
# How many throttles must stand in front of sign-in: one that is misread or reloaded away must leave another.
WANTED_THROTTLES = 2


def _limits(path: Record) -> List[Record]:
    return [limit for limit in path.records("limits") if throttles(limit)]


def _why_not(path: Record) -> str:
    """Return what is wrong with the limits of a path none of which holds."""
    limits = path.records("limits")
    if not limits:
        return "no limit_req in its location"
    first = limits[0]
    if first.read("defined") is not True:
        return "the zone %s is not defined" % first.read("zone")
    if first.read("dry") is not False:
        return "limit_req_dry_run is on"
    return "the zone %s counts by what a client may choose" % first.read("zone")


def _judge_paths(facts: Any, role: str, judge: Callable[[Record], Tuple[bool, str]]) -> List[Resource]:
    """Judge every attacked path of a role on every site that leads to it."""
    out: List[Resource] = []
    for entry in entries(facts, role):
        site = entry.read("site")
        try:
            paths = entry.records("paths")
        except Missing as missing:
            out.append(unread(site, missing))
            continue
        out += each(paths, lambda path, site=site: "%s%s" % (site, path.read("path")), judge)  # type: ignore[misc]
    return out


@check(
    "NET-23",
    "rate-limits-apply",
    "Sign-in and GraphQL are rate limited",
    Severity.WARNING,
    "A limit that stands in another location, names no zone or only logs stops nobody from guessing passwords or flooding the API.",
    "the configuration of the running nginx: the location that really serves the paths of hasura-auth and GraphQL, and its limit_req",
    "limit_req in force there, its zone defined and counted by the client's address, limit_req_dry_run off, limit_req_status 429",
    Fix(
        "nginx",
        "Put `limit_req zone=auth burst=5 nodelay;` into the server of auth (graphql_api into Hasura's) and `limit_req_status 429;` into http, "
        "then reload nginx.",
        ("nginx_rate_limits_enabled: true",),
        NGINX,
    ),
    settings=("NGINX_RATE_LIMIT",),
    refs=("s:rate",),
)
def rate_limits_apply(facts: Any, policy: Any) -> Verdict:
    def judge(path: Record) -> Tuple[bool, str]:
        limits = _limits(path)
        if not limits:
            return False, _why_not(path)
        if path.read("status") != WANTED_STATUS:
            return False, "a client over the limit gets %s" % path.read("status")
        return True, "zone %s" % limits[0].read("zone")

    resources = [item for role, _what in ROLES for item in _judge_paths(facts, role, judge)]
    return summed(
        "a limit_req in force, status 429",
        _once(resources + _unclear(facts)),
        "nginx passes nothing on to hasura-auth or Hasura",
    )


def _unclear(facts: Any) -> List[Resource]:
    """Return the sites of which it is not known where they lead: what is not known to lead elsewhere may lead here."""
    lost = Missing("nginx.unclear", Reason.ERROR, "where all its requests are passed on to cannot be told")
    return [unread("%s elsewhere" % site, lost) for site in in_force(facts).read("unclear")]


def _once(resources: List[Resource]) -> List[Resource]:
    """Return resources without those that were judged for two roles because theirs is not known."""
    return list({item.name: item for item in resources}.values())


@check(
    "NET-24",
    "abuse-timeouts",
    "Slow and greedy clients are cut off",
    Severity.RECOMMENDATION,
    "A client that opens many connections, sends a byte a minute or a body without end keeps everybody else out.",
    "the configuration of the running nginx: limit_conn where requests are passed on, client_header_timeout, client_body_timeout and "
    "client_max_body_size of every server",
    "a limit_conn in force; timeouts of at most 15 seconds; bodies bounded outside of storage",
    Fix(
        "nginx",
        "Put `client_header_timeout 15s; client_body_timeout 15s; client_max_body_size 100m; limit_conn conn_limit_per_ip 20;` into http and reload nginx.",
        ("nginx_abuse_limits_enabled: true",),
        NGINX,
    ),
)
def abuse_timeouts(facts: Any, policy: Any) -> Verdict:
    seconds, mib = policy["client_timeout_max_seconds"], policy["client_body_max_mib"]

    def judge(site: Record) -> Tuple[bool, str]:
        bad = []
        for name in ("header_timeout", "body_timeout"):
            if site.read(name) > seconds:
                bad.append("client_%s is %g s" % (name, site.read(name)))
        body = site.read("body")
        if body == 0:
            bad.append("a body may be of any size")
        elif body is not None and body > mib * MIB:
            bad.append("a body may have %d MiB" % (body // MIB))
        unlimited = site.read("unlimited")
        if unlimited:
            bad.append("no limit_conn in " + (", ".join(str(name) or "the server" for name in unlimited)))
        return not bad, ", ".join(bad) or "limit_conn, timeouts and bodies are bounded"

    sites = in_force(facts).records("sites")
    if not sites:
        raise NotApplicable("nginx has no site")
    return summed(
        "limit_conn; at most %d s and %d MiB" % (seconds, mib), each(sites, lambda site: str(site.read("site")), judge)
    )


@check(
    "AUTH-27",
    "lockout-equivalent",
    "Two throttles stand in front of sign-in",
    Severity.WARNING,
    "hasura-auth locks no account: only limits stop somebody who guesses passwords, and a single one is lost with one setting.",
    "hasura-auth's own limit on failed logins (as AUTH-25), nginx's limit_req where sign-in is really served, and a fail2ban jail that "
    "reaches nginx (as INFRA-18)",
    "at least two of the three are in force",
    Fix(
        "auth",
        "Switch on two of: AUTH_RATE_LIMIT_ENABLE=true with a burst of 5 per 15m, `limit_req zone=auth burst=5` in nginx's server of auth, a fail2ban "
        "jail on nginx's log that bans in DOCKER-USER.",
        ("auth_rate_limit: true",),
        ("auth", "nginx", "fail2ban"),
    ),
    settings=("AUTH_ACCOUNT_LOCKOUT_ENABLED", "AUTH_ACCOUNT_LOCKOUT_ATTEMPTS"),
    refs=("s:rate",),
)
def lockout_equivalent(facts: Any, policy: Any) -> Verdict:
    of_role(facts, "auth")
    expected = "two of three throttles"
    throttled = [
        _throttle("hasura-auth's limit", lambda: login_rate_limit.judge(facts, policy)),
        _throttle("nginx's limit_req", lambda: _sign_in(facts, policy)),
        _throttle("a fail2ban jail", lambda: nginx_effective.judge(facts, policy)),
    ]
    good = [item for item in throttled if item.status == Status.PASS]
    maybe = [item for item in throttled if item.status == Status.UNKNOWN]
    level = max((item.level for item in good), key=Level.ALL.index) if good else Level.RUNNING
    words = "; ".join("%s: %s" % (item.name, item.actual) for item in throttled if item.status != Status.PASS)
    names = " and ".join(item.name for item in good) or "none"
    if len(good) >= WANTED_THROTTLES:
        return Verdict(Status.PASS, expected, names, level, resources=tuple(good))
    if len(good) + len(maybe) >= WANTED_THROTTLES:
        return Verdict(Status.UNKNOWN, expected, words, level, maybe[0].reason, tuple(throttled))
    return Verdict(Status.FAIL, expected, "%s in force; %s" % (names, words), level, resources=tuple(throttled))


def _throttle(name: str, judge: Callable[[], Verdict]) -> Resource:
    try:
        verdict = judge()
    except NotApplicable as reason:
        return resource(name, False, str(reason))
    except Missing as missing:
        return unread(name, missing)
    return Resource(name, verdict.status, verdict.actual, verdict.level, verdict.reason)


def _sign_in(facts: Any, policy: Any) -> Verdict:
    most = policy["sign_in_max_per_minute"]

    def judge(path: Record) -> Tuple[bool, str]:
        limits = _limits(path)
        if not limits:
            return False, _why_not(path)
        rates = [(limit.read("per_minute"), limit.read("burst")) for limit in limits]
        rates = [(rate, burst) for rate, burst in rates if rate is not None]
        if not any(rate <= most and burst <= most for rate, burst in rates):
            return False, "lets more than %d a minute through" % most
        return True, "%g a minute" % min(rate for rate, _burst in rates)

    resources = _judge_paths(facts, "auth", judge)
    if resources:
        resources += _unclear(facts)
    return summed("a limit_req", resources, "nginx passes nothing on to hasura-auth")


CHECKS = (rate_limits_apply, abuse_timeouts, lockout_equivalent)
