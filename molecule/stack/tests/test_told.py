# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo project is told what is wrong with it, with the right counts; the mended one passes; both as an independent reading says."""

from __future__ import annotations

import functools
import re

import lab as labs
import pytest
from told import DEMO, MENDED, TOLD, Stack, limited

# What no scenario can mend: the machine's kernel and clock, and a certificate authority that everybody trusts.
BEYOND = {
    "NET-03": "the certificates come from a private authority",
    "DATA-25": "the disk is that of the machine around the container",
    "INFRA-22": "the clock is that of the machine around the container",
    "INFRA-24": "auditd does not run in a container",
    "INFRA-26": "the kernel is that of the machine around the container",
}


@functools.lru_cache(maxsize=None)
def stack(name):
    return Stack(labs.lab(name))


@pytest.fixture(scope="session")
def findings():
    return {
        name: {item["id"]: item for item in host["findings"]}
        for name, host in labs.report(labs.EPHEMERAL / "report.json").items()
    }


def named(finding, *statuses):
    return {item["name"] for item in finding["resources"] if item["status"] in statuses}


@pytest.mark.parametrize("check", sorted(TOLD))
def test_the_demo_project_is_told(check, findings):
    wanted = TOLD[check]
    wrong = wanted.read(stack(DEMO))
    assert len(wrong) == wanted.number, (
        "the project is not in the state that the scenario was to bring it into: %s" % sorted(wrong)
    )
    if check not in findings[DEMO]:
        pytest.skip("the catalogue has no such check yet")
    finding = findings[DEMO][check]
    assert finding["status"] == ("fail" if wrong else "pass"), finding["actual"]
    failing, undecided = named(finding, "fail"), named(finding, "unknown")
    if not finding["resources"]:
        return
    assert failing <= wrong
    # Only what did not answer may be left open.
    if wanted.exact:
        assert wrong <= failing | undecided


@pytest.mark.parametrize("check", sorted(set(TOLD) - set(BEYOND)))
def test_the_mended_project_is_told_nothing(check, findings):
    assert TOLD[check].read(stack(MENDED)) == set()
    if check not in findings[MENDED]:
        pytest.skip("the catalogue has no such check yet")
    assert findings[MENDED][check]["status"] in ("pass", "not_applicable"), findings[MENDED][check]["actual"]


def test_nothing_else_is_left_on_the_mended_host(findings):
    left = {
        check: item["actual"]
        for check, item in findings[MENDED].items()
        if item["status"] in ("fail", "unknown") and check not in BEYOND
    }
    assert not left


def test_the_demo_project_is_the_one_that_is_described():
    demo = stack(DEMO)
    assert len(demo.containers) == 28
    assert {item["State"]["ExitCode"] for item in demo.containers.values() if not item["State"]["Running"]} == {0}
    ports = [
        entry
        for item in demo.containers.values()
        for entries in item["HostConfig"]["PortBindings"].values()
        for entry in entries
    ]
    assert len(ports) == 28
    assert {entry["HostIp"] for entry in ports} == {"127.0.0.1"}
    assert len(demo.services(lambda item: item["HostConfig"]["PortBindings"])) == 24
    assert len(demo.services(lambda item: not item["Config"].get("Healthcheck"))) == 5
    assert len(demo.services(lambda item: item["Config"]["User"] == "")) == 11
    assert len(demo.services(lambda item: item["Config"]["User"] == "root")) == 2
    pulled = demo.services(lambda item: not re.match(r"[^:/]+$", item["Config"]["Image"]))
    assert len(pulled) == 23
    assert len(demo.services(lambda item: item["Config"]["Image"].endswith(":latest"))) == 16
    assert not demo.services(lambda item: "@sha256:" in item["Config"]["Image"])
    text = demo.sh("cat /var/www/nself/docker-compose.yml")
    assert len(re.findall(r"\$\{POSTGRES_PASSWORD:-postgres\}", text)) == 5
    assert len(re.findall(r"^\s*server \{", demo.config, re.M)) == 17
    assert len(demo.names) == 16
    assert len(limited(demo)) == 4


def test_every_service_that_was_started_is_well():
    for name in (DEMO, MENDED):
        health = {
            service: item["State"]["Health"]["Status"]
            for service, item in stack(name).containers.items()
            if "Health" in item["State"]
        }
        assert set(health.values()) == {"healthy"}, health


def test_stand_ins_say_what_they_are():
    real = {"postgres", "nginx", "redis", "minio-init", "meilisearch-init"}
    for name in (DEMO, MENDED):
        found = stack(name)
        named_so = found.services(lambda item: item["Config"]["Labels"].get("nself.prod.test") == "stand-in")
        assert named_so == set(found.containers) - real
