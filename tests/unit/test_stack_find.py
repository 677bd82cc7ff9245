# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which deployment of a host is changed, and what is said where there is none."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import stack
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost

INFO = "docker info --format '{{json .}}'"
STOPPED = Completed(
    1, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
)
RUNS = '{"ServerVersion": "28.0"}'
LIST = "docker ps --all --quiet --no-trunc"
PROJECT = {"/var/www/nself/docker-compose.yml": "services: {}\n", "/var/www/nself/.env": "ENV=prod\n"}


def test_a_host_without_docker_has_nothing_to_harden():
    assert stack.find(FakeHost(), None) == (
        None,
        "no Docker is installed on this host, so there is no deployment to harden",
    )


def test_a_docker_that_is_off_is_nothing_to_worry_about_where_no_project_lies():
    found, why = stack.find(FakeHost(commands={INFO: STOPPED, LIST: STOPPED}), None)
    assert found is None and "does not run" in why


def test_a_docker_that_is_off_stops_the_run_where_a_project_lies():
    with pytest.raises(ChangeError, match="systemctl start docker"):
        stack.find(FakeHost(PROJECT, commands={INFO: STOPPED, LIST: STOPPED}), None)


def test_a_project_that_was_never_started_is_told_of():
    found, why = stack.find(FakeHost(PROJECT, commands={INFO: RUNS, LIST: ""}), None)
    assert found is None and "/var/www/nself" in why and "start it first" in why


def test_a_folder_that_is_none_is_named():
    with pytest.raises(ChangeError, match="/srv/nothing does not exist"):
        stack.find(FakeHost(commands={INFO: RUNS, LIST: ""}), "/srv/nothing")
