# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of a user's own collection: run for real beside ours, and refused where they cannot stand in a report."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import jsonschema
import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit import model, user_checks
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Options
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import PolicyError
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.module_utils.audit.run import audit
from ansible_collections.nself.prod.plugins.module_utils.audit.sources import COLLECTORS
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide
from ansible_collections.nself.prod.plugins.plugin_utils import options
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import host_report
from fake_host import FakeHost
from report_samples import finding, report

EXAMPLE = "tests/fixtures/user_collection"
MODULE = "acme.checks.acme_audit"
WAIVER = {"id": "ACME-01", "owner": "alice", "reason": "soon", "expires": "2099-01-31"}


def made(id="ACME-01", category="data", slug="own", title="A title", severity="warning", by_hand="Mend it."):
    fix = model.Fix("", by_hand)

    @model.check(id, slug, title, severity, "why", "reads", "passes", fix, category=category)
    def own(facts, policy):
        return decide(facts.read("acme.good"), "good", "as it is")

    return own


# -- as users run it -------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(root, tmp_path):
    """Return a function that runs the playbook with the example's module on this machine: (rc, output, report)."""
    (tmp_path / "home").mkdir()

    def run(**given):
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        env.update(HOME=str(tmp_path / "home"), LC_ALL="C.UTF-8", ANSIBLE_COLLECTIONS_PATH=str(root / EXAMPLE))
        told = {
            "ansible_python_interpreter": sys.executable,
            "nself_check_become": False,
            "nself_check_fail_on": "none",
            "nself_check_output": "report.json",
            "nself_check_module": MODULE,
        }
        command = ["-m", "ansible", "playbook", str(root / "playbooks/check.yml"), "-i", "here,", "-c", "local"]
        done = subprocess.run(
            [sys.executable, *command, "-e", json.dumps(dict(told, **given))],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=120,
            check=False,
        )
        path = tmp_path / "report.json"
        return done.returncode, done.stdout, json.loads(path.read_text("utf-8")) if path.exists() else None

    return run


def test_the_example_stands_in_the_report(run, root):
    rc, output, report = run(nself_check_category="infrastructure")
    assert rc == 0, output
    jsonschema.validate(report, json.loads((root / "docs/schema/security-report.schema.json").read_text("utf-8")))
    findings = {finding["id"]: finding for finding in report["hosts"][0]["findings"]}
    assert findings["ACME-01"]["status"] == "fail"
    assert findings["ACME-01"]["category"] == "infrastructure"
    assert "INFRA-01" in findings, "ours are judged as well"
    assert "The login banner names the owner" in output


def test_it_is_waived_and_filtered_like_any_other(run):
    rc, output, report = run(nself_check_category="infrastructure", nself_check_waivers=[WAIVER])
    assert rc == 0, output
    findings = {finding["id"]: finding for finding in report["hosts"][0]["findings"]}
    assert findings["ACME-01"]["status"] == "waived"
    rc, output, report = run(nself_check_category="data", nself_check_waivers=[WAIVER])
    assert rc == 0, output
    assert "ACME-01" not in {finding["id"] for finding in report["hosts"][0]["findings"]}


def test_a_module_that_is_not_there_is_one_clear_line(run):
    rc, output, report = run(nself_check_module="acme.checks.no_such")
    assert rc == 0
    (host,) = report["hosts"]
    assert host["status"] == "failed"
    assert "acme.checks.no_such" in host["message"]
    assert "Traceback" not in output


def test_the_page_shows_the_example_that_is_run(root):
    module = root / EXAMPLE / "ansible_collections/acme/checks/plugins/modules/acme_audit.py"
    shown = module.read_text("utf-8").split("-or-later\n", 1)[1].strip()
    assert shown in (root / "docs/user-checks.md").read_text("utf-8")


# -- what is refused -------------------------------------------------------------------------------------------------------


def test_a_good_one_is_judged_last():
    report = audit(
        FakeHost(),
        Options(),
        ["data"],
        extra_checks=[made()],
        extra_collectors=[Collector("acme", lambda host, need: {"good": True})],
    )
    assert (report["findings"][-1]["id"], report["findings"][-1]["status"]) == ("ACME-01", "pass")


@pytest.mark.parametrize(
    "extra, message",
    [
        ([made("NET-99")], "AUTH, NET, DATA, INFRA are this collection's prefixes"),
        ([made("DATA-01")], "take one of your own"),
        ([made("acme-1")], "an id is like ACME-01"),
        ([made(), made()], "two of the user's checks have the id ACME-01"),
        ([made(category="")], "its category is one of authentication, network"),
        ([made(category="other")], "its category is one of authentication, network"),
        ([made(severity="bad")], "its severity is one of critical"),
        ([made(slug="No Slug")], "its slug consists of"),
        ([made(title="")], "ACME-01 has no title"),
        ([made(by_hand="")], "ACME-01 has no fix.by_hand"),
        ([lambda facts, policy: None], "is made by the decorator check"),
    ],
)
def test_a_check_that_cannot_stand_in_a_report(extra, message):
    with pytest.raises(PolicyError) as error:
        user_checks.checks_with(CHECKS, extra)
    assert message in str(error.value)


def test_a_collector_in_the_place_of_another():
    for extra in ([Collector("platform", None)], [Collector("x", None, fact="ssh")], [Collector("a", None)] * 2):
        with pytest.raises(PolicyError, match="there is one of that name already"):
            user_checks.collectors_with(COLLECTORS, extra)
    with pytest.raises(PolicyError, match="this is none"):
        user_checks.collectors_with(COLLECTORS, [print])


def test_our_own_checks_need_no_category():
    assert all(check.category in model.CATEGORIES for check in CHECKS)
    assert dataclasses.replace(CHECKS[0], id="NET-01", category="").category == "network"


def test_a_waiver_of_a_users_check_needs_a_users_module():
    assert options.exceptions([WAIVER], user_checks=True)[0].id == "ACME-01"
    with pytest.raises(options.OptionError, match="no check of this catalogue"):
        options.exceptions([WAIVER])
    with pytest.raises(options.OptionError, match="no check of this catalogue"):
        options.exceptions([dict(WAIVER, id="NET-99")], user_checks=True)


@pytest.mark.parametrize("name", ["", "acme_audit", "acme.checks", "acme.checks.a b", "a..b.c", 7])
def test_a_module_goes_by_its_full_name(name):
    with pytest.raises(options.OptionError, match="nself_check_module takes"):
        options.module(name)
    assert options.module(None) == options.OWN_MODULE
    assert options.module(MODULE) == MODULE


def test_a_report_with_a_foreign_id_is_one_and_with_a_wrong_category_none():
    def status(**more):
        return host_report("web", {"report": report([dict(finding("NET-01"), **more)])}).status

    assert status(id="ACME-01", category="data") == "audited"
    assert status(id="NET-01", category="data") == "failed"
    assert status(id="rubbish", category="data") == "failed"
