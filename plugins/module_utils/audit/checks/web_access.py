# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in: plain HTTP leads to https, and consoles ask who is there."""

from __future__ import annotations

import re
from typing import Any, List, Optional, Tuple
from urllib.parse import urlsplit

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
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.web_probes import CONSOLES
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed
from ansible_collections.nself.prod.plugins.module_utils.audit.web_sites import (
    all_sites,
    header,
    is_nginx_own,
    shown,
    site_name,
)

PERMANENT = (301, 308)
_LOGIN = re.compile(r"/(?:login|log-in|signin|sign-in|oauth2?|sso|auth)(?:/|\Z)", re.I)


def redirect_problem(name: str, location: str) -> Optional[str]:
    """Return why a redirect does not lead a name to its own https site, None where it does."""
    try:
        target = urlsplit(location)
        host, port = target.hostname, target.port
    except ValueError:
        return "redirects to %s, which is no address" % shown(location)
    if target.scheme != "https":
        return "redirects to %s, which is not https" % (shown(location) or "nowhere")
    if host != name.lower().strip("[]"):
        return "redirects to another host, %s" % shown(host or "none")
    return None if port in (None, 443) else "redirects to port %d" % port


@check(
    "NET-02",
    "http-redirects",
    "Plain HTTP leads to https",
    Severity.WARNING,
    "What is served in clear can be read and replaced on the way; a temporary redirect, or one by way of another host, leaves that open each time.",
    "GET / on the plain HTTP port with every server name as Host (/.well-known/acme-challenge/ may stay in clear)",
    "301 or 308 to https on the same host, or nothing is served",
    Fix("nginx", "Let port 80 answer `return 301 https://$host$request_uri;` for every name.", (), ("nginx",)),
)
def http_redirects(facts: Any, policy: Any) -> Verdict:
    all_sites(facts)

    def judge(entry: Record) -> Tuple[bool, str]:
        status = entry.read("status")
        if status is None:
            return True, "closes the connection"
        if status == 429 or status >= 500:
            raise Missing("web.redirects", Reason.ERROR, "is answered by %d" % status)
        if status not in PERMANENT:
            return False, "answers %d" % status
        problem = redirect_problem(str(entry.read("name")), str(entry.read("location") or ""))
        return problem is None, problem or str(status)

    found = each(facts.records("web.redirects"), site_name, judge)
    return summed("301 or 308 to https on the same host", found, "no name is served in clear")


OPEN, CLOSED, NOTHING, UNSAID = "lets strangers in", "asks for a login", "has no page", ""


def console_state(answer: Record, name: str) -> str:
    """Return what an answer of a console named so does to strangers. Raises Missing where the console did not speak."""
    status = answer.read("status")
    if is_nginx_own(answer):
        raise Missing("web.sites", Reason.ERROR, "%s is answered by %d" % (answer.read("path"), status))
    if status in (401, 403, 407):
        return CLOSED
    if status in (404, 410):
        return NOTHING
    if 300 <= status < 400:
        try:
            target = urlsplit(header(answer, "location") or "")
            elsewhere = target.hostname is not None and target.hostname != name.lower()
        except ValueError:
            return UNSAID
        return CLOSED if elsewhere or _LOGIN.search(target.path) else UNSAID
    if 200 <= status < 300:
        # MinIO's console has no other start page than its login.
        return CLOSED if set(answer.read("marks")) & {"login-form", "minio-console"} else OPEN
    return UNSAID


@check(
    "NET-28",
    "consoles-need-login",
    "Consoles ask who is there",
    Severity.CRITICAL,
    "Metrics, mails, logs and search indexes on a public name show strangers the inside of everything, and often let them change it.",
    "what prometheus, alertmanager, mail catcher, grafana, minio, search and database consoles answer to strangers on their public names",
    "401, 403, a login, or no page at all",
    Fix(
        "nginx",
        "Put `auth_basic` or an allow-list of addresses before these sites, or remove their server blocks.",
        ("nginx_console_access",),
        ("nginx",),
    ),
)
def consoles_need_login(facts: Any, policy: Any) -> Verdict:
    def judge(site: Record) -> Tuple[bool, str]:
        role = site.read("role")
        if role not in CONSOLES:
            raise NotApplicable("no console")
        found: List[str] = []
        lost: Optional[Missing] = None
        answers = {answer.read("probe"): answer for answer in site.records("answers")}
        for probe in CONSOLES[role]:
            try:
                if probe not in answers:
                    raise Missing("web.sites", Reason.ERROR, "it was not asked for its console")
                state = console_state(answers[probe], site_name(site))
            except Missing as missing:
                lost = lost or missing
                continue
            if state == OPEN:
                return False, "%s %s (%d)" % (role, OPEN, answers[probe].read("status"))
            found.append(state)
        if lost:
            raise lost
        # A page that is missing says something only where nothing else is there.
        if CLOSED not in found and set(found) != {NOTHING}:
            raise Missing("web.sites", Reason.ERROR, "its answers say neither that it is open nor that it is closed")
        return True, CLOSED if CLOSED in found else NOTHING

    return summed("401, 403 or a login", each(all_sites(facts), site_name, judge), "no site is a console")


CHECKS = (http_redirects, consoles_need_login)
