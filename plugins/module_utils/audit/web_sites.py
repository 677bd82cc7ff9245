# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges of the web reach what the sites answered."""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, NotApplicable, Reason, Verdict
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT, of_role
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

TOO_MANY = 429
SHOWN = 80  # characters of a header in a verdict


def all_sites(facts: Any) -> List[Record]:
    """Return every site. Raises NotApplicable where there is no deployment or no nginx, Missing where it serves nothing."""
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    sites = facts.records("web.sites")
    if not sites:
        of_role(facts, "nginx")
        raise Missing("web.sites", Reason.ERROR, "nginx serves no site that could be asked")
    return sites


def site_name(site: Record) -> str:
    return str(site.read("name"))


def is_nginx_own(answer: Record) -> bool:
    """Tell whether an answer stands in for that of the service behind nginx: it is down, or was asked too often.

    What such an answer lacks the service might still send; what it has, nginx itself sends.
    """
    status = answer.read("status")
    return status >= 500 or status == TOO_MANY


def header(answer: Record, name: str) -> Optional[str]:
    """Return a header's value, None where it was not sent."""
    value = answer.read("headers").get(name)
    if value is not None and not isinstance(value, str):
        raise Missing("web.sites", Reason.PARSE_ERROR, "%s is not text" % name)
    return value


def shown(value: str) -> str:
    return value if len(value) <= SHOWN else value[:SHOWN] + "…"


# What is wrong with an answer: (None, "") nothing, (what, "") something, and ("", what) something is not there at all.
Fault = Tuple[Optional[str], str]
FINE: Fault = (None, "")


def absent(what: str) -> Fault:
    return "", what


def wrong(what: str) -> Fault:
    return what, ""


def judge_answers(
    facts: Any,
    expected: str,
    judge: Callable[[Record], Fault],
    wanted: Callable[[Record], bool] = lambda site: True,
    counts: Callable[[Record], bool] = lambda answer: True,
    nothing: str = "nothing to judge",
) -> Verdict:
    """Judge every answer of every site, one resource a site.

    wanted: which sites; counts: which of their answers. A site without an answer that counts is left out.
    """

    def one(site: Record) -> Tuple[bool, str]:
        if not wanted(site):
            raise NotApplicable("not judged")
        return judge_site(site.records("answers"), judge, counts)

    return summed(expected, each(all_sites(facts), site_name, one), nothing)


def judge_site(
    answers: Sequence[Record], judge: Callable[[Record], Fault], counts: Callable[[Record], bool]
) -> Tuple[bool, str]:
    """Return (good, what the first bad answers are like). Raises Missing where an answer is not known and none is bad."""
    bad: List[str] = []
    lost: Optional[Missing] = None
    judged = 0
    for answer in answers:
        try:
            if not counts(answer):
                continue
            judged += 1
            stands_in = is_nginx_own(answer)
            what, gone = judge(answer)
            if gone and stands_in:
                # Only nginx spoke. What it does not say the service might.
                lost = lost or in_its_place(answer)
            elif gone or what:
                bad.append("%s %s" % (answer.read("path"), gone or what))
        except Missing as missing:
            lost = lost or missing
    if bad:
        return False, "; ".join(bad[:2]) + ("; and %d more" % (len(bad) - 2) if len(bad) > 2 else "")
    if lost:
        raise lost
    if not judged:
        raise NotApplicable("no answer counts")
    return True, "%d answers" % judged if judged > 1 else "1 answer"


def in_its_place(answer: Record) -> Missing:
    """Return what is missing where nginx answered in the service's place, and why it did."""
    status = answer.read("status")
    why = "it limits requests" if status == TOO_MANY else "the service behind it does not answer"
    return Missing("web.sites", Reason.ERROR, "%s is answered by %d: %s" % (answer.read("path"), status, why))
