# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options are read strictly, before any host is touched."""

from __future__ import annotations

import os

import pytest
from ansible_collections.nself.prod.plugins.plugin_utils import options, output, private_file
from ansible_collections.nself.prod.plugins.plugin_utils.options import OptionError


@pytest.mark.parametrize(
    "given, names",
    [
        (None, []),
        ("", []),
        ([], []),
        ("network", ["network"]),
        (" Network, data ,", ["network", "data"]),
        (["data", "authentication", "data"], ["authentication", "data"]),
    ],
)
def test_categories(given, names):
    assert options.categories(given) == names


@pytest.mark.parametrize("given", ["netwrk", "network data", ["data", 7], 7, {"a": 1}])
def test_an_unknown_category_is_refused_by_name(given):
    with pytest.raises(OptionError, match="nself_check_category"):
        options.categories(given)


def test_the_gate():
    assert options.fail_on("Warning") == "warning"
    assert options.fail_on(None) == "none"
    with pytest.raises(OptionError, match="none, critical, warning, not always"):
        options.fail_on("always")


def test_output(tmp_path):
    folder = str(tmp_path)
    assert options.output(None, folder) is None
    assert options.output("", folder) is None
    assert options.output("a.json", folder) == folder + "/a.json"
    assert options.output(folder + "/b.JSON", "/") == folder + "/b.JSON"
    (tmp_path / "dir.json").mkdir()
    for given, message in (
        ("a.html", "ends in .json, not a.html"),
        ("a", "ends in .json"),
        ("no/a.json", "there is no folder"),
        ("dir.json", "is no regular file"),
    ):
        with pytest.raises(OptionError, match=message):
            options.output(given, folder)


def test_an_output_that_is_a_link_is_written_where_it_leads_to(tmp_path):
    (tmp_path / "kept").mkdir()
    link = tmp_path / "report.json"
    for target in ("kept/old.json", "kept/new.json"):
        (tmp_path / "kept/old.json").write_text("old")
        link.symlink_to(target)
        path = options.output("report.json", str(tmp_path))
        assert path == str(tmp_path / target)
        private_file.write(path, "new")
        assert link.is_symlink() and link.read_text() == "new"
        link.unlink()
    link.symlink_to("nowhere/new.json")
    with pytest.raises(OptionError, match="cannot be written"):
        options.output("report.json", str(tmp_path))


def test_an_output_that_is_no_file_is_refused(tmp_path):
    os.mkfifo(str(tmp_path / "pipe.json"))
    (tmp_path / "null.json").symlink_to("/dev/null")
    for name in ("pipe.json", "null.json"):
        with pytest.raises(OptionError, match="is no regular file"):
            options.output(name, str(tmp_path))


@pytest.mark.parametrize("given, value", [(True, True), ("false", False), ("Yes", True), (0, False)])
def test_a_flag(given, value):
    assert options.flag("nself_check_become", given) is value


@pytest.mark.parametrize("given", ["maybe", "", None, [], 2])
def test_a_flag_that_says_neither_yes_nor_no_is_refused(given):
    with pytest.raises(OptionError, match="nself_check_become takes true or false"):
        options.flag("nself_check_become", given)


def test_variables_that_nobody_reads_are_refused_by_name():
    options.known_variables(["ansible_host", "nself_check_output", "nself_check_result", "nself_hosts"])
    with pytest.raises(OptionError, match="unknown variable nself_check_ouput; known are: nself_check_category, "):
        options.known_variables(["nself_check_ouput"])


def test_policy_and_waivers():
    assert options.policy(None) == {}
    assert options.policy({"ssh_max_auth_tries": "2"}) == {"ssh_max_auth_tries": "2"}
    assert options.policy({"public_ports": [80, "8443"]}) == {"public_ports": [80, "8443"]}
    assert options.exceptions(None) == []
    for read, given in (
        (options.policy, {"nonsense": 1}),
        (options.policy, {"ssh_max_auth_tries": 99}),
        (options.policy, {"public_ports": ["abc"]}),
        (options.policy, {"public_ports": ["80", 0]}),
        (options.policy, {"public_ports": "80,65536"}),
        (options.policy, {"public_ports": ["8000-9000"]}),
        (options.policy, "x=1"),
        (options.exceptions, "INFRA-05"),
        (options.exceptions, {"id": "INFRA-05"}),
        (options.exceptions, [{"id": "INFRA-05"}]),
    ):
        with pytest.raises(OptionError, match="nself_check_(policy|waivers)"):
            read(given)


# -- the written file ----------------------------------------------------------------------------------------------------


def test_the_report_is_written_in_one_step_and_private(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    path.chmod(0o644)
    private_file.write(str(path), "néw\n")
    assert path.read_text(encoding="utf-8") == "néw\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.json"
    path.write_text("old")
    monkeypatch.setattr(private_file.os, "fsync", full)
    with pytest.raises(private_file.AnsibleActionFail, match="No space left on device"):
        private_file.write(str(path), "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"


def test_the_version_of_a_checkout_and_of_an_installed_collection(tmp_path):
    assert output.version(str(tmp_path)) == "unknown"
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3\n")
    assert output.version(str(tmp_path)) == "1.2.3"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "1.2.4"}}')
    assert output.version(str(tmp_path)) == "1.2.4"


@pytest.mark.parametrize("setting, colour", [("", True), ("0", False), ("1", False)])
def test_no_color_counts_with_any_text(monkeypatch, setting, colour):
    monkeypatch.setattr(output.color, "ANSIBLE_COLOR", True)
    monkeypatch.setattr(output.C, "ANSIBLE_NOCOLOR", False)
    monkeypatch.setenv("NO_COLOR", setting)
    assert output._takes_colour() is colour
