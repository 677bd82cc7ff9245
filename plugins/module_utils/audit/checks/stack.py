# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has no place in production: administration panels, development services, demo settings."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Level,
    NotApplicable,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.public_sites import judge_sites
from ansible_collections.nself.prod.plugins.module_utils.audit.units import all_units, level_of, name_of, plain, truthy
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed

DEVELOPMENT_ROLES = (
    "mailpit",
    "mailhog",
    "maildev",
    "mailcatcher",
    "adminer",
    "pgadmin",
    "pgweb",
    "phpmyadmin",
    "dbgate",
    "redis-commander",
    "bull-board",
)
# A refusal, no page, and nginx's own answers for a service that is not there.
NOWHERE = (403, 404, 410, 502, 504)
# A login that nginx itself asks for, where there is no panel behind it.
LOGIN = 401
MAIL_CATCHERS = ("mailpit", "mailhog", "maildev", "mailcatcher", "localhost", "127.0.0.1")


def _level(units: List[Record]) -> str:
    return max((level_of(unit) for unit in units), key=Level.ALL.index) if units else Level.RUNNING


@check(
    "AUTH-08",
    "admin-ui-off",
    "nself's admin panel does not run",
    Severity.CRITICAL,
    "The panel holds Docker's socket and the whole project folder: whoever gets into it owns the host.",
    "the project's containers, else the services that compose would start; what its public names answer",
    "no nself-admin service, and no public name that leads to one",
    Fix(
        "containers",
        "Set NSELF_ADMIN_ENABLED=false, run `nself build`, and remove the container and nginx/sites/admin.conf.",
        ("containers_admin_panel: absent",),
    ),
    refs=("s:sample",),
)
def admin_ui_off(facts: Any, policy: Any) -> Verdict:
    units = all_units(facts)
    found = [unit for unit in units if unit.read("role") == "admin"]
    panels = each(found, name_of, lambda unit: (False, level_of(unit)), level_of)
    # That none is there rests on all units together, so it is one thing.
    none = [] if found else [resource("nself-admin", True, "not there", _level(units))]

    def answers(answer: Record) -> Optional[str]:
        status = answer.read("status")
        nowhere = status in NOWHERE or (status == LOGIN and not found)
        return None if nowhere else "its public name answers (%d)" % status

    return summed("no nself-admin", panels + none + judge_sites(facts, "admin", ("root",), answers, "leads nowhere"))


@check(
    "AUTH-10",
    "no-dev-services",
    "No development service runs",
    Severity.WARNING,
    "Mail catchers show every password-reset mail to whoever opens them; database browsers and queue boards trust everybody.",
    "the project's containers or services, and AUTH_SMTP_HOST of the auth process",
    "no mailpit, mailhog, adminer, pgadmin or bull-board, and mail goes to a real server",
    Fix(
        "containers",
        "Disable the service in the env file (MAILPIT_ENABLED=false …), set AUTH_SMTP_HOST to a real mail server, run `nself build`.",
        ("containers_dev_services: absent",),
        ("auth",),
    ),
    settings=("AUTH_SMTP_HOST",),
)
def no_dev_services(facts: Any, policy: Any) -> Verdict:
    units = all_units(facts)

    def judge(unit: Record) -> Tuple[bool, str]:
        role = unit.read("role")
        if role in DEVELOPMENT_ROLES:
            return False, "a development service"
        host = (plain(unit, "AUTH_SMTP_HOST") or "").lower() if role == "auth" else ""
        return host not in MAIL_CATCHERS, "mail goes to %s" % host if host else "no development service"

    return summed(
        "none, and a real mail server", each(units, name_of, judge, level_of), "the deployment has no services"
    )


@check(
    "AUTH-11",
    "production-mode",
    "Everything runs in production mode",
    Severity.WARNING,
    "Development modes print internals, reload code and create demo accounts.",
    "ENV, NODE_ENV and their like, DEMO_*, SEED_DATA, DEBUG and log levels of every process",
    "production, no demo or seed data, no debug log",
    Fix(
        "containers",
        "Set ENV=prod, DEBUG=false, SEED_DATA=false and LOG_LEVEL=warn in the env file that wins and run `nself build`.",
        ("containers_production: true",),
        ("the services named",),
    ),
    settings=("ENV",),
    refs=("s:harden",),
)
def production_mode(facts: Any, policy: Any) -> Verdict:
    found = each(all_units(facts), name_of, _mode, level_of)
    return summed("production, no demo data, no debug log", found, "no service has a mode")


# (names, whether a value is wrong for production)
MODES = (
    (
        ("ENV", "NODE_ENV", "APP_ENV", "ENVIRONMENT", "MEILI_ENV"),
        lambda value: value.lower() not in ("prod", "production"),
    ),
    (("DEMO_USERS", "DEMO_CONTENT", "DEMO_MODE", "SEED_DATA", "DEBUG", "ENABLE_HOT_RELOAD"), truthy),
    (("LOG_LEVEL", "HASURA_GRAPHQL_LOG_LEVEL", "AUTH_LOG_LEVEL"), lambda value: value.lower() in ("debug", "trace")),
)


def _mode(unit: Record) -> Tuple[bool, str]:
    values = [(name, plain(unit, name), wrong) for names, wrong in MODES for name in names]
    if all(value is None for _name, value, _wrong in values):
        raise NotApplicable("it has no mode")
    bad = ["%s=%s" % (name, value) for name, value, wrong in values if value is not None and wrong(value)]
    return not bad, ", ".join(bad) or "production"


CHECKS = (admin_ui_off, no_dev_services, production_mode)
