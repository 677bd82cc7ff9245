# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself: thin, and silent about what it must not tell."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.nself.prod.plugins.module_utils.audit import module
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import PolicyError
from ansible_collections.nself.prod.plugins.modules import nself_audit


def answer(capsys, monkeypatch, audit, **args):
    monkeypatch.setattr(module, "audit", audit)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda *unused, **more: None)
    with patch_module_args(dict({"_ansible_check_mode": True}, **args)), pytest.raises(SystemExit):
        nself_audit.main()
    return json.loads(capsys.readouterr().out)


def test_the_report_of_the_audit_is_passed_on(capsys, monkeypatch):
    seen = []

    def audit(*args):
        seen.append(args)
        return {"score": 1, "privileged": True}

    waiver = {"id": "NET-25", "owner": "o", "reason": "r", "expires": "2027-01-31"}
    result = answer(
        capsys,
        monkeypatch,
        audit,
        project_dir="/srv",
        categories=["data"],
        waivers=[waiver],
        fingerprint_key="k" * 20,
        host_name="h",
    )
    assert result["changed"] is False
    assert set(result["report"]) == {"score", "privileged", "notes"}
    _host, options, categories, policy, waivers, name, checks, collectors = seen[0]
    assert (options.project_dir, options.fingerprint_key, categories, policy, waivers, name) == (
        "/srv",
        "k" * 20,
        ["data"],
        {},
        [waiver],
        "h",
    )


def test_a_wrong_policy_is_a_clear_message(capsys, monkeypatch):
    def audit(*args):
        raise PolicyError("unknown policy x")

    result = answer(capsys, monkeypatch, audit)
    assert (result["failed"], result["msg"]) == (True, "unknown policy x")


def test_a_crash_tells_its_place_and_not_what_was_read(capsys, monkeypatch):
    def audit(*args):
        raise KeyError("geheim")

    result = answer(capsys, monkeypatch, audit)
    assert result["failed"] is True
    assert result["msg"].startswith("the audit crashed with KeyError at test_module_audit.py:")
    assert "geheim" not in json.dumps(result)
