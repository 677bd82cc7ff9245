# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole files, access and commands: a check predicts what a run does, and a failure leaves what was there."""

from __future__ import annotations

import os

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.host import Host

ME = dict(uid=os.getuid(), gid=os.getgid())


def both(act):
    """Return the results of an act as a check and for real."""
    check, real = Changes(Host(), True), Changes(Host(), False)
    act(check)
    act(real)
    return check.result(), real.result()


def test_a_check_predicts_a_new_file_and_writes_nothing(tmp_path):
    path = tmp_path / "new"
    check = Changes(Host(), True)
    assert check.file(str(path), "text\n", 0o640, **ME)
    assert not path.exists()
    real = Changes(Host(), False)
    assert real.file(str(path), "text\n", 0o640, **ME)
    assert check.result() == real.result()
    assert path.read_text() == "text\n" and path.stat().st_mode & 0o7777 == 0o640


def test_the_same_file_again_is_no_change(tmp_path):
    path = str(tmp_path / "same")
    Changes(Host(), False).file(path, "text\n", 0o600, **ME)
    for result in both(lambda changes: changes.file(path, "text\n", 0o600, **ME)):
        assert result == {"changed": False, "diff": []}


def test_access_alone_is_a_change_that_the_diff_shows(tmp_path):
    path = tmp_path / "open"
    path.write_text("text\n")
    path.chmod(0o666)
    for result in both(lambda changes: changes.file(str(path), "text\n", 0o600, **ME)):
        assert result["changed"]
        assert "mode 0666" in result["diff"][0]["before"] and "mode 0600" in result["diff"][0]["after"]
    assert path.stat().st_mode & 0o7777 == 0o600


def test_none_keeps_the_access_that_is_there(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old\n")
    path.chmod(0o604)
    Changes(Host(), False).file(str(path), "new\n", None, None, None)
    assert path.read_text() == "new\n" and path.stat().st_mode & 0o7777 == 0o604


def test_a_link_is_followed_and_stays(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old\n")
    link.symlink_to(target)
    Changes(Host(), False).file(str(link), "new\n", 0o600, **ME)
    assert link.is_symlink() and target.read_text() == "new\n"


def test_a_link_to_nowhere_is_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ChangeError, match="nowhere, which does not exist"):
        Changes(Host(), False).file(str(link), "new\n", 0o600, **ME)


def test_a_diff_shows_of_a_text_what_it_is_told_to(tmp_path):
    path = tmp_path / "file"
    path.write_text("hunter1\n")
    for result in both(lambda changes: changes.file(str(path), "hunter2\n", shown=lambda text: text.upper()[:6], **ME)):
        assert [(item["before"], item["after"]) for item in result["diff"]][0] == ("HUNTER", "HUNTER")
        assert "hunter" not in str(result["diff"]).replace(str(path), "")


def test_a_secret_is_in_no_diff(tmp_path):
    path = tmp_path / "secret"
    path.write_text("hunter2-old\n")
    for result in both(lambda changes: changes.file(str(path), "hunter2-new\n", 0o600, secret=True, **ME)):
        assert result["changed"] and "hunter2" not in repr(result)


def test_text_that_is_not_utf8_is_not_overwritten(tmp_path):
    path = tmp_path / "latin"
    path.write_bytes(b"caf\xe9\n")
    with pytest.raises(ChangeError, match="not UTF-8"):
        Changes(Host(), False).file(str(path), "new\n", 0o600, **ME)
    assert path.read_bytes() == b"caf\xe9\n"


def test_a_failing_write_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old\n")

    def full(*_unused):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    changes = Changes(Host(), False)
    with pytest.raises(ChangeError, match="No space left"):
        changes.file(str(path), "new\n", 0o600, **ME)
    assert changes.result() == {"changed": False, "diff": []}
    assert path.read_text() == "old\n" and os.listdir(str(tmp_path)) == ["file"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ChangeError, match="nowhere/file cannot be changed: No such file"):
        Changes(Host(), False).file(str(tmp_path / "nowhere/file"), "x\n", 0o600, **ME)


def test_later_steps_of_a_check_see_the_earlier_ones(tmp_path):
    path = str(tmp_path / "file")
    check = Changes(Host(), True)
    check.file(path, "one\n", 0o600, **ME)
    assert check.read(path) == "one\n"
    assert not check.file(path, "one\n", 0o600, **ME)
    check.absent(path)
    assert check.read(path) is None


def test_absent_removes_links_but_no_directory(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("x")
    link.symlink_to(target)
    for result in both(lambda changes: changes.absent(str(link))):
        assert result["changed"]
    assert target.exists() and not os.path.lexists(str(link))
    assert not Changes(Host(), False).absent(str(link))
    with pytest.raises(ChangeError, match="is a directory"):
        Changes(Host(), False).absent(str(tmp_path))


def test_access_goes_through_no_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("x")
    target.chmod(0o644)
    link.symlink_to(target)
    with pytest.raises(ChangeError, match="is a link"):
        Changes(Host(), False).access(str(link), 0o600)
    assert target.stat().st_mode & 0o7777 == 0o644


def test_a_strict_write_goes_through_no_link_and_over_nothing_unseen(tmp_path, monkeypatch):
    real, home = tmp_path / "real", tmp_path / "home"
    real.mkdir()
    (real / "keys").write_text("root's")
    home.symlink_to(real)
    with pytest.raises(ChangeError, match="cannot be changed"):
        Changes(Host(), False).file(str(home / "keys"), "x", strict=True, **ME)
    (real / "link").symlink_to(real / "keys")
    with pytest.raises(ChangeError, match="is a link"):
        Changes(Host(), False).file(str(real / "link"), "x", strict=True, **ME)
    with pytest.raises(ChangeError, match="cannot be changed"):
        Changes(Host(), False).directory(str(home / "folder"), **ME, strict=True)
    assert (real / "keys").read_text() == "root's"
    assert Changes(Host(), False).file(str(real / "keys"), "new", strict=True, **ME)

    monkeypatch.setattr(Changes, "read", lambda _self, _path: "what was looked at")
    with pytest.raises(ChangeError, match="by somebody else"):
        Changes(Host(), False).file(str(real / "keys"), "x", strict=True, **ME)
    assert (real / "keys").read_text() == "new"
    assert sorted(os.listdir(str(real))) == ["keys", "link"]


def test_directories_are_made_and_kept_in_order(tmp_path):
    path = str(tmp_path / "folder")
    for result in both(lambda changes: changes.directory(path, 0o750, **ME)):
        assert result["changed"]
    assert os.stat(path).st_mode & 0o7777 == 0o750
    assert not Changes(Host(), False).directory(path, 0o750, **ME)
    assert Changes(Host(), False).directory(path, 0o700, **ME)


def test_commands_run_only_for_real_and_have_to_work(tmp_path):
    mark = tmp_path / "mark"
    for result in both(lambda changes: changes.run(["touch", str(mark)], "make a mark")):
        assert result == {"changed": True, "diff": [{"prepared": "make a mark\n"}]}
    assert mark.exists()
    with pytest.raises(ChangeError, match="ended with 1"):
        Changes(Host(), False).run(["false"], "fail")
    with pytest.raises(ChangeError, match="not installed"):
        Changes(Host(), False).run(["nself-prod-no-such-tool"], "fail")


def test_in_a_folder_of_somebody_else_no_link_on_the_way_is_followed(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "file").write_text("x")
    (tmp_path / "way").symlink_to(tmp_path / "theirs")
    changes = Changes(Host(), False)
    with pytest.raises(ChangeError):
        changes.absent(str(tmp_path / "way" / "file"), strict=True)
    with pytest.raises(ChangeError):
        changes.directory(str(tmp_path / "way" / "folder"), 0o700, os.getuid(), os.getgid(), strict=True)
    assert os.listdir(tmp_path / "theirs") == ["file"]
    assert changes.absent(str(tmp_path / "theirs" / "file"), strict=True)
    assert os.listdir(tmp_path / "theirs") == []
