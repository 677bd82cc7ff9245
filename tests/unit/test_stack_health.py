# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has to be well after a change: all that were before, made anew or not, and nobody else."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack import health, recreate
from ansible_collections.nself.prod.plugins.module_utils.change.stack.health import UNHEALTHY, UNSTEADY, Before
from ansible_collections.nself.prod.plugins.module_utils.change.stack.recreate import Recreation
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_clock import Clock
from fake_host import FakeHost
from fake_stack import FakeStack

FAILS = {"ExitCode": 127, "Output": "exec: wget: not found"}


@pytest.fixture
def clock(monkeypatch):
    made = Clock(100.0)
    monkeypatch.setattr(health, "time", made)
    monkeypatch.setattr(recreate, "time", made)
    return made


def container(status="", restarts=0, running=True, restarting=False, policy="always", **state):
    found = {"Running": running, "Restarting": restarting, "Status": "running" if running else "exited", **state}
    if status:
        found["Health"] = {"Status": status, "Log": [FAILS] if status == "unhealthy" else []}
    config = {"Healthcheck": {"Test": ["CMD", "ask"]}} if status else {}
    return {"Id": "7", "Name": "/app_x", "State": found, "RestartCount": restarts, "Config": config}


class Stack(FakeStack):
    """later: what a service's container is at each further look, the last one for ever."""

    def __init__(self, containers, asked=1, **later):
        host = FakeHost(commands={"docker": "it says why\n"})
        super().__init__({name: {"restart": "always"} for name in containers}, containers=containers, host=host)
        self.answers = {(name, "/bin/sh"): Completed(asked, "", "") for name in containers}
        self.later = later

    def refresh(self):
        for name, items in self.later.items():
            self.containers[name] = items.pop(0) if len(items) > 1 else items[0]


def proven(stack, clock, anew=("db",), ending=()):
    """What Transaction does, all but the change itself; return the seconds that it took."""
    before = Before(stack)
    before.watch()
    begun = clock.now
    before.hold(anew, [], ending, 180.0)
    return clock.now - begun


def test_a_stack_that_stays_well_is_watched_for_a_moment(clock):
    stack = Stack({"db": container("healthy"), "api": container(restarts=9), "old": container(running=False)})
    assert proven(stack, clock) <= health.CALM + 0.5


@pytest.mark.parametrize("anew", (["api"], ["db"]))
def test_who_ends_again_and_again_does_not_run(clock, anew):
    loop = [container(), container(restarts=1, running=False, restarting=True), container(restarts=1)]
    loop += [container(restarts=2), container(restarts=3)]
    with pytest.raises(Mismatch, match="^api ran before and does not stay up any more: it says why"):
        proven(Stack({"db": container("healthy"), "api": container()}, api=loop), clock, anew)


def test_who_lost_his_database_for_a_moment_is_waited_for(clock):
    short = [container(), container(restarts=1, running=False, restarting=True), container(restarts=1)]
    took = proven(Stack({"db": container("healthy"), "api": container()}, api=short), clock)
    assert health.CALM_AGAIN <= took <= health.CALM_AGAIN + 3


def test_who_has_ended_does_not_run_unless_that_was_his_work(clock):
    ended = {"db": container(), "init": container(running=True)}
    with pytest.raises(Mismatch, match=r"^init ran before and does not stay up any more \(it ended with 1\)"):
        proven(Stack(dict(ended), init=[container(running=False, ExitCode=1)]), clock, ending=["init"])
    proven(Stack(dict(ended), init=[container(running=False, ExitCode=0)]), clock, ending=["init"])


def test_who_was_healthy_has_to_be_so_also_where_he_was_not_made_anew(clock):
    containers = {"db": container("healthy"), "api": container("healthy")}
    with pytest.raises(Mismatch, match="^api was healthy before and is not any more: exec: wget: not found"):
        proven(Stack(dict(containers), api=[container("unhealthy")]), clock)
    assert clock.now < 100 + health.STARTING + 5
    proven(Stack(dict(containers), asked=0, api=[container("unhealthy")]), clock)
    proven(Stack(dict(containers), api=[container("unhealthy")] * 3 + [container("healthy")]), clock)


# -- who was not well before ----------------------------------------------------------------------------------------------


def test_who_was_unhealthy_before_stops_no_change_and_is_told(clock):
    stack = Stack({"db": container("healthy"), "auth": container("unhealthy")})
    assert proven(stack, clock, ["db", "auth"]) <= health.CALM + 0.5
    before = Before(stack)
    assert before.unwell == {"auth": UNHEALTHY}
    (line,) = before.told()
    assert line.startswith("auth was unhealthy (exec: wget: not found) already before the run")
    assert "docker inspect" in line and "app_x" in line


def test_nobody_waits_long_for_who_was_unhealthy_before(clock):
    stack = Stack({"auth": container("unhealthy")})
    stack.answers[("compose", "up")] = Completed(0, "", "")
    made = Recreation(stack, 180.0, Before(stack).unwell)
    made.up = lambda *_unused: None
    made.run([["auth"]], {"auth": {"restart": "always"}})
    assert clock.now - 100 <= recreate.BRIEF + 1
    made.settled(["auth"], patient=True)
    assert clock.now - 100 <= recreate.BRIEF + 1
    stack.containers["auth"] = container("unhealthy", running=False, restarting=True)
    with pytest.raises(Mismatch, match="auth does not become healthy"):
        made.run([["auth"]], {"auth": {"restart": "always"}})


def test_who_was_well_is_waited_for_and_who_becomes_well_needs_no_patience(clock):
    stack = Stack({"auth": container("unhealthy")})
    made = Recreation(stack, 180.0)
    made.up = lambda *_unused: None
    with pytest.raises(Mismatch, match="auth is unhealthy"):
        made.run([["auth"]], {})
    made = Recreation(Stack({"auth": container("healthy")}), 180.0, {"auth": UNHEALTHY})
    made.up = lambda *_unused: None
    made.run([["auth"]], {})
    assert clock.now == 100


def test_who_was_unhealthy_still_has_to_run(clock):
    stack = Stack({"auth": container("unhealthy")}, auth=[container(running=False)])
    with pytest.raises(Mismatch, match="^auth ran before and does not stay up any more"):
        proven(stack, clock)


def test_who_ended_again_and_again_before_may_go_on(clock):
    stack = Stack({"api": container(restarts=7, running=False, restarting=True)}, api=[container(restarts=12)])
    before = Before(stack)
    before.watch()
    before.hold(["api"], [], [], 180.0)
    assert before.unwell == {"api": UNSTEADY} and before.as_before("api")
    assert "api ended and was started again already" in before.told()[0] and "docker logs app_x" in before.told()[0]
    # It runs at both looks, but is another start of it.
    stack = Stack({"api": container(restarts=7)}, api=[container(restarts=8)])
    before = Before(stack)
    before.again(180.0)
    assert before.unwell == {"api": UNSTEADY}


def test_who_is_just_starting_is_waited_for_before_the_change(clock):
    stack = Stack({"api": container("starting")}, api=[container("starting")] * 3 + [container("healthy")])
    before = Before(stack)
    before.again(180.0)
    assert before.unwell == {} and 2 <= clock.now - 100 <= 5
    stack = Stack({"api": container("starting")}, api=[container("starting")])
    before = Before(stack)
    before.again(180.0)
    assert before.unwell == {"api": UNHEALTHY} and clock.now < 100 + health.STARTING + 10


def test_compose_is_told_of_nobody_that_it_would_wait_for_in_vain():
    model = {
        "auth": {},
        "db": {},
        "web": {"depends_on": {"auth": {"condition": "service_healthy"}, "db": {"condition": "service_started"}}},
    }
    assert recreate.never_healthy(["auth", "db"], model) == {"auth"}
