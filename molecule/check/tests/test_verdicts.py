# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit's verdicts are those of an independent reading, on hosts where both answers occur."""

from __future__ import annotations

import lab as labs
import pytest
from readings import DOCKER, FRESH, PLAIN, READINGS

GRACE = {FRESH: False, PLAIN: True, DOCKER: True}  # who ends an idle connection before the minute is over


@pytest.fixture(scope="session", autouse=True)
def idle():
    """Connections opened before anything else, so that waiting for them costs next to nothing."""
    return {name: labs.Idle(labs.lab(name)) for name in GRACE}


@pytest.fixture(scope="session")
def verdicts():
    return {name: labs.statuses(host) for name, host in labs.report(labs.EPHEMERAL / "report.json").items()}


@pytest.mark.parametrize("check,host", sorted(READINGS))
def test_verdict_is_that_of_the_independent_reading(check, host, verdicts):
    read, meant_to_be_good = READINGS[check, host]
    good = read(labs.lab(host))
    assert good == meant_to_be_good, "the host is not in the state that the scenario was to bring it into"
    assert verdicts[host].get(check) == ("pass" if good else "fail")


def test_enough_is_read_independently_on_every_host():
    for name in (FRESH, PLAIN, DOCKER):
        assert sum(1 for _, host in READINGS if host == name) >= 15


def ids(prefix, *numbers):
    return {"%s-%02d" % (prefix, number) for number in numbers}


# Who has to answer before these can be judged. Nobody does on hosts without an engine, and stand-ins that answer nothing do not; the
# scenario stack has services that answer.
NGINX = ids("NET", *range(1, 22), 23, 24, 28)
POSTGRES = ids("DATA", *range(1, 20)) | {"AUTH-23"}
HASURA = ids("AUTH", 3, 5, 6, 32, 33)
REDIS, MINIO, VOLUMES = {"DATA-28"}, {"DATA-27"}, {"DATA-25"}
CONTAINERS = {"NET-27", "INFRA-39"}
SERVICES = NGINX | POSTGRES | HASURA | REDIS | VOLUMES
# The secrets were made today, and no ledger tells of older ones.
AGES = {"DATA-33"}
# Without a jail that guards logins it is nginx that would have to limit them.
LIMITS = {"AUTH-27"}
UNDECIDED = {
    FRESH: SERVICES | CONTAINERS | AGES | MINIO | {"INFRA-41"},  # it declares monitoring and MinIO, which do not run
    PLAIN: SERVICES | CONTAINERS | AGES | LIMITS,
    # Addresses of the database without TLS are seen in the containers; what Hasura and the public names serve is asked of them.
    DOCKER: (SERVICES - {"DATA-07"}) | AGES | LIMITS | ids("AUTH", 1, 2, 8),
}


def test_the_whole_catalogue_is_judged(verdicts):
    ledger = (labs.PROJECT / "tests/fixtures/ledger.txt").read_text().splitlines()
    known = {line.split()[0] for line in ledger if line and not line.startswith("#")}
    assert {name: set(found) for name, found in verdicts.items()} == dict.fromkeys(UNDECIDED, known)


@pytest.mark.parametrize("host", sorted(UNDECIDED))
def test_only_what_nobody_answers_for_is_undecided(host, verdicts):
    assert {check for check, status in verdicts[host].items() if status == "unknown"} <= UNDECIDED[host]


@pytest.mark.parametrize("host", sorted(UNDECIDED))
def test_what_nobody_answers_for_does_not_pass(host, verdicts):
    assert not [check for check in sorted(UNDECIDED[host]) if verdicts[host][check] == "pass"]


@pytest.mark.parametrize("host", sorted(GRACE))
def test_login_grace_time_is_what_a_silent_client_gets(host, idle, verdicts):
    ended = idle[host].ended_within(30)
    assert ended == GRACE[host]
    assert verdicts[host]["INFRA-11"] == ("pass" if ended else "fail")
