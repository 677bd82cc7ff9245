# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that run in several containers."""

import types

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import scaled
from ansible_collections.nself.prod.plugins.module_utils.host import Completed

MODEL = {
    "worker": {"deploy": {"replicas": 3}, "restart": "unless-stopped"},
    "api": {"scale": 2},
    "auth": {},
    "off": {"deploy": {"replicas": 0}},
}


def stack(out="", monkeypatch=None, *states):
    """Return a project. states: docker inspect's State of each container of worker."""
    if monkeypatch is not None:
        items = [{"Config": {"Labels": {"com.docker.compose.service": "worker"}}, "State": state} for state in states]
        monkeypatch.setattr(scaled, "project_containers", lambda _host, _project: items)
    return types.SimpleNamespace(
        project="app", host=types.SimpleNamespace(run=lambda _argv, timeout: Completed(0, out, ""))
    )


def test_what_was_scaled_by_hand_is_not_taken_away():
    there = "worker\nworker\nworker\napi\napi\nauth\nauth\n"
    scaled.keep(stack(there), ["worker", "api", "off"], MODEL)
    with pytest.raises(
        Refused, match="auth runs in 2 containers, and its files say 1.*replicas: 2.*Nothing was changed$"
    ):
        scaled.keep(stack(there), ["worker", "auth"], MODEL)


WELL, STARTING = {"Running": True}, {"Running": True, "Health": {"Status": "starting"}}


@pytest.mark.parametrize(
    "states, reason",
    [
        ([WELL, WELL, {"Running": True, "Health": {"Status": "unhealthy"}}], "containers of worker is unhealthy"),
        ([WELL, WELL, {"Running": True, "Restarting": True}], "containers of worker is not running"),
        ([WELL, STARTING, WELL], "containers of worker is starting"),
    ],
)
def test_every_container_is_waited_for(monkeypatch, states, reason):
    monkeypatch.setattr(scaled.time, "sleep", lambda _seconds: None)
    with pytest.raises(Mismatch, match=reason):
        scaled.settled(stack("", monkeypatch, *states), ["worker", "auth"], MODEL, -1.0)
    scaled.settled(stack("", monkeypatch, *states), ["worker", "auth"], MODEL, -1.0, {"worker"})
    scaled.settled(stack("", monkeypatch, WELL, WELL, WELL), ["worker", "auth"], MODEL, -1.0)


def test_it_is_told_that_one_of_them_was_asked():
    assert [line.partition(":")[0] for line in scaled.left(["worker", "auth"], MODEL)] == [
        "worker runs in 3 containers"
    ]
