# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret leaves a host: what is planted on it appears in no output, at any verbosity, nor in the host's journal."""

from __future__ import annotations

import re

import lab as labs
import pytest
import yaml
from readings import DOCKER, FRESH, PLAIN

NAMES = (FRESH, PLAIN, DOCKER)
# A name that ends with _FILE holds the place of a secret; what lies there is looked for instead.
ASSIGNMENT = re.compile(r"""^(?:export )?\w*(?:PASSWORD|SECRET|KEY|TOKEN)\w*(?<!_FILE)=['"]?([^'"\s$]+)""", re.M)


@pytest.fixture(scope="module")
def secrets():
    """Everything secret on the hosts: what the scenario planted, what the env files hold, password hashes, private keys."""
    planted = yaml.safe_load((labs.EPHEMERAL / "molecule.yml").read_text())["provisioner"]["inventory"]["group_vars"][
        "all"
    ]
    found = {value for name, value in planted.items() if name.startswith("canary_")}
    assert len(found) == 4
    found.add((labs.EPHEMERAL / "password").read_text().strip())
    for name in NAMES:
        host = labs.lab(name)
        found |= {value for value in ASSIGNMENT.findall(host.sh("cat %s/.env*" % labs.DEPLOYMENT)) if len(value) >= 16}
        found |= set(re.findall(r'"key":"([^"]+)"', host.sh("cat %s/.env*" % labs.DEPLOYMENT)))
        found |= {line.split(":")[1] for line in host.sh("cat /etc/shadow").splitlines() if len(line.split(":")[1]) > 8}
        found |= set(host.sh("sed -n 2,3p /etc/ssh/ssh_host_*_key").split())
        found |= set(host.sh("cat /root/backup.key 2>/dev/null").split())
        # Each was really there to be found.
        assert any(
            value in host.sh("cat %s/.env* %s/*.yml; ps -eo args" % (labs.DEPLOYMENT, labs.DEPLOYMENT))
            for value in planted.values()
        )
    return found


@pytest.fixture(scope="module")
def loudest(tmp_path_factory):
    """The output and the report of the loudest run there is."""
    output = tmp_path_factory.mktemp("loud") / "report.json"
    finished = labs.play(
        "-vvvv",
        "-e",
        "nself_check_verbose=true",
        "-e",
        "nself_check_fail_on=none",
        "-e",
        "nself_check_output=%s" % output,
    )
    assert finished.returncode == 0
    return {"output": finished.stdout, "report": output.read_text()}


@pytest.mark.parametrize("where", ["output", "report"])
def test_no_secret_in_what_the_controller_shows(where, loudest, secrets):
    assert "INFRA-05" in loudest[where]
    assert not [value for value in secrets if value in loudest[where]]


def test_the_key_of_the_fingerprints_is_not_shown(loudest):
    shown = re.findall(r'"fingerprint_key": "?([^",\s]+)', loudest["output"])
    assert shown and set(shown) <= {"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", "null"}


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_in_the_journal_of_a_host(name, loudest, secrets):
    journal = labs.lab(name).sh("journalctl --no-pager --output=export --cursor-file=/var/lib/journal-before-the-audit")
    assert "nself_audit" in journal
    assert not [value for value in secrets if value in journal]
