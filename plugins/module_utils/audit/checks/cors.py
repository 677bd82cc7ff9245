# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What pages of other origins may do with a visitor's session."""

from __future__ import annotations

import re
from typing import Any, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.web_probes import FOREIGN_ORIGIN
from ansible_collections.nself.prod.plugins.module_utils.audit.units import (
    level_of,
    name_of,
    of_role,
    plain,
    truthy,
    whole_number,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed
from ansible_collections.nself.prod.plugins.module_utils.audit.web_sites import (
    FINE,
    Fault,
    all_sites,
    header,
    in_its_place,
    is_nginx_own,
    judge_answers,
    judge_site,
    shown,
    site_name,
    wrong,
)
from ansible_collections.nself.prod.plugins.module_utils.parse.http_headers import cors_problem

CORS_DOMAIN = "HASURA_GRAPHQL_CORS_DOMAIN"
DISABLE_CORS = "HASURA_GRAPHQL_DISABLE_CORS"
_LOCAL = re.compile(r"(localhost|.*\.localhost|127\..*|0\.0\.0\.0|\[::1?\])\Z")
_ORIGIN = re.compile(r"https://((?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::[0-9]+)?/?\Z")


def _granted(answer: Record) -> Fault:
    problem = cors_problem(
        header(answer, "access-control-allow-origin"),
        header(answer, "access-control-allow-credentials"),
        FOREIGN_ORIGIN,
    )
    if problem:
        return wrong(problem)
    if is_nginx_own(answer):
        raise Missing("web.sites", Reason.ERROR, "%s is answered by %d" % (answer.read("path"), answer.read("status")))
    return FINE


def _strangers(facts: Any, role: str) -> Verdict:
    """Judge what a role's sites grant to a foreign origin."""
    return judge_answers(
        facts,
        "a foreign origin is granted nothing",
        _granted,
        wanted=lambda site: site.read("role") == role,
        counts=lambda answer: answer.read("probe") in ("preflight", "foreign"),
        nothing="no public name leads to the %s service" % role,
    )


@check(
    "NET-20",
    "cors-graphql",
    "Foreign pages cannot use the GraphQL API as a visitor",
    Severity.CRITICAL,
    "An API that reflects any origin lets every page that a user happens to visit read and change that user's data.",
    "a preflight and a query from a foreign origin, sent to every public name of Hasura",
    "the origin is not reflected, and * never stands with credentials",
    Fix(
        "hasura",
        "Set HASURA_GRAPHQL_CORS_DOMAIN to your own https origins and recreate the hasura service.",
        ("hasura_cors_domains",),
        ("hasura",),
    ),
    settings=(CORS_DOMAIN,),
    refs=("s:cors",),
)
def cors_graphql(facts: Any, policy: Any) -> Verdict:
    return _strangers(facts, "hasura")


@check(
    "NET-21",
    "cors-auth",
    "Foreign pages cannot use the auth service as a visitor",
    Severity.WARNING,
    "hasura-auth itself reflects any origin with credentials, so any page may ask it for a visitor's tokens unless nginx says otherwise.",
    "a preflight for the sign-in and a request from a foreign origin, sent to every public name of the auth service",
    "the origin is not reflected",
    Fix(
        "nginx",
        "Hide the service's Access-Control headers in nginx and send your own for the origins that you name.",
        ("nginx_cors_origins",),
        ("nginx",),
    ),
    refs=("s:cors",),
)
def cors_auth(facts: Any, policy: Any) -> Verdict:
    return _strangers(facts, "auth")


def origin_problem(origin: str) -> Optional[str]:
    """Return what is wrong with an origin that Hasura is told to allow, None where nothing is."""
    text = origin.strip().lower()
    if text == "*":
        return "* allows every page"
    found = _ORIGIN.match(text)
    if _LOCAL.match(re.sub(r":[0-9]+/?\Z|/\Z", "", text.rpartition("://")[2])):
        return "%s is a visitor's own machine" % shown(origin)
    if text.startswith("http://"):
        return "%s is not https" % shown(origin)
    if not found:
        return "%s is no https origin" % (shown(origin) or "an empty entry")
    if "*" in text and found.group(1).count(".") < 2:
        return "%s may be anybody's" % shown(origin)
    return None


@check(
    "NET-22",
    "cors-configured",
    "Hasura allows named https origins only",
    Severity.WARNING,
    "The origins that may use the API are part of its configuration: * or a test origin left in it opens it to pages that you do not know.",
    "HASURA_GRAPHQL_CORS_DOMAIN of the Hasura process (* where it is not set), and Access-Control-Max-Age in preflights on its public names",
    "no *, no http, no localhost; preflights are kept for a day at most",
    Fix(
        "hasura",
        "Set HASURA_GRAPHQL_CORS_DOMAIN=https://app.example.com (several with commas), recreate hasura, and let nginx send Access-Control-Max-Age.",
        ("hasura_cors_domains",),
        ("hasura",),
    ),
    settings=(CORS_DOMAIN,),
    refs=("s:cors",),
)
def cors_configured(facts: Any, policy: Any) -> Verdict:
    most = policy["cors_max_age_seconds"]

    def engine(unit: Record) -> Tuple[bool, str]:
        if truthy(plain(unit, DISABLE_CORS, "false") or ""):
            return True, DISABLE_CORS + "=true"
        value = plain(unit, CORS_DOMAIN)
        if value is None:
            return False, "%s is not set, so every page is allowed" % CORS_DOMAIN
        problems = [problem for problem in map(origin_problem, value.split(",")) if problem]
        return not problems, "; ".join(problems) or shown(value)

    def age(answer: Record) -> Fault:
        value = header(answer, "access-control-max-age")
        if value is None:
            if is_nginx_own(answer):
                raise in_its_place(answer)
            return FINE
        seconds = whole_number(value)
        return FINE if seconds is not None and seconds <= most else wrong("keeps a preflight for %s s" % shown(value))

    def site_age(site: Record) -> Tuple[bool, str]:
        if site.read("role") != "hasura":
            raise NotApplicable("another role's")
        return judge_site(
            site.records("answers"), age, lambda answer: answer.read("probe") in ("preflight", "own_preflight")
        )

    engines = each(of_role(facts, "hasura"), name_of, engine, level_of)
    try:
        sites = each(all_sites(facts), site_name, site_age)
    except NotApplicable:
        sites = []
    except Missing as missing:
        # What an engine is told stands whatever its sites answer: a bad origin stays one.
        if all(item.status == "pass" for item in engines):
            raise missing
        sites = []
    return summed("named https origins, preflights kept for at most %d s" % most, engines + sites)


CHECKS = (cors_graphql, cors_auth, cors_configured)
