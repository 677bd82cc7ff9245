# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges reach what a deployment's public names answer: the facts `web.sites`."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, NotApplicable, Reason, Resource
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, unread
from ansible_collections.nself.prod.plugins.module_utils.audit.web_sites import header

# What is wrong with an answer, or None; Missing where the answer does not say.
Problem = Callable[[Record], Optional[str]]


def judge_sites(facts: Any, role: str, probes: Sequence[str], problem: Problem, good: str) -> List[Resource]:
    """Judge the answers to these probes of every public name that leads to a role.

    No name, no resource; where it is not known which there are, one that is unknown.
    """

    def judge(site: Record) -> Tuple[bool, str]:
        if site.read("role") != role:
            raise NotApplicable("another role's")
        bad, lost = [], None
        for probe in probes:
            try:
                found = problem(_answer(site, probe))
            except Missing as missing:
                lost = missing
                continue
            if found:
                bad.append(found)
        if lost and not bad:
            raise lost
        return not bad, ", ".join(bad) or good

    try:
        return each(facts.records("web.sites"), lambda site: str(site.read("name")), judge)
    except Missing as missing:
        return [unread("public names", missing)]


def _answer(site: Record, probe: str) -> Record:
    for answer in site.records("answers"):
        if answer.read("probe") == probe:
            return answer
    raise Missing("web.sites", Reason.ERROR, "its answer to the probe %s was not read" % probe)


def status_of(answer: Record) -> int:
    """Return an answer's status. Raises Missing where the server behind the name gave none of its own."""
    status = int(answer.read("status"))
    if status >= 500 or status == 429:
        raise Missing("web.sites", Reason.ERROR, "%s is answered by %d" % (answer.read("probe"), status))
    return status


def opened(what: str) -> Problem:
    """Return a judge of answers: whatever succeeds is open."""
    return lambda answer: "%s is open (%d)" % (what, answer.read("status")) if 200 <= status_of(answer) < 300 else None


def reached(answer: Record) -> Optional[str]:
    """Judge an answer: only a refusal, a missing page or a redirect shows that the path does not lead to the service.

    Neither does one by nginx's own login: no service of a deployment speaks of Basic.
    """
    status = status_of(answer)
    if 300 <= status < 400 or status in (403, 404, 410):
        return None
    if status == 401 and (header(answer, "www-authenticate") or "").lower().startswith("basic"):
        return None
    return "%s is passed on (%d)" % (answer.read("probe"), status)
