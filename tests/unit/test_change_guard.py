# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard, with its real script and everything but systemd: what is put back, who is refused, in which order a change is made."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change import guard as guards
from ansible_collections.nself.prod.plugins.module_utils.change import guarded
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Guard, Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, Host


class Systemd(Host):
    """This machine, with a stand-in for systemd that knows whether the timer runs and what its service does."""

    def __init__(self, timer_works=True):
        super().__init__()
        self.timer_works = timer_works
        self.active = False
        self.told = []

    def run(self, argv, **options):
        if argv[0] == "getent" or argv[0] != "systemctl":
            return super().run(argv, **options)
        self.told.append(" ".join(argv[1:]))
        if argv[1:] == ["start", guards.UNIT + ".timer"]:
            self.active = self.timer_works
        elif argv[1] == "stop":
            self.active = False
        elif argv[1:] == ["start", guards.UNIT + ".service"]:
            self.fire()
        elif argv[1] == "is-active":
            return Completed(0, "active\n" if self.active else "inactive\n", "")
        elif argv[1] == "show":
            return Completed(0, "active\n" if self.active else "inactive\n", "")
        return Completed(0, "", "")

    def fire(self):
        """Do what the timer does when it is due."""
        tools = os.path.dirname(guards.STATE) + "/tools"
        os.makedirs(tools, exist_ok=True)
        with open(tools + "/systemctl", "w", encoding="utf-8") as stream:
            stream.write("#!/bin/sh\n")
        os.chmod(tools + "/systemctl", 0o755)
        environment = dict(os.environ, PATH=tools + ":" + os.environ["PATH"])
        subprocess.run(["/bin/sh", guards.STATE + "/roll-back"], env=environment, check=True, capture_output=True)
        self.active = False


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Move the guard's own files into a folder of the test."""
    for name, value in (
        ("FOLDER", tmp_path / "etc"),
        ("STATE", tmp_path / "etc/rollback"),
        ("OUTCOME", tmp_path / "etc/rolled-back"),
        ("LOCK", tmp_path / "lock"),
        ("UNITS", tmp_path / "units"),
        ("SYSTEMD", tmp_path),
    ):
        monkeypatch.setattr(guards, name, str(value))
    (tmp_path / "units").mkdir()
    # The rollback would end the run that armed it, which here is the tests.
    monkeypatch.setattr(guards, "process", lambda host: "0 0\n")
    return tmp_path


def test_files_folders_links_and_what_was_not_there_come_back(place):
    (place / "file").write_text("old\n")
    (place / "file").chmod(0o640)
    (place / "folder").mkdir()
    (place / "folder/in").write_text("old\n")
    (place / "link").symlink_to("file")
    before = (place / "file").stat()
    host = Systemd()
    names = ["file", "folder", "link", "new file", "new"]
    Guard(host, "a1").arm([str(place / name) for name in names], [["touch", str(place / "undone")]])
    (place / "file").write_text("new\n")
    (place / "folder/in").unlink()
    (place / "folder/other").write_text("x")
    (place / "link").unlink()
    (place / "new file").write_text("x")
    (place / "new").mkdir()
    host.fire()
    assert (place / "file").read_text() == "old\n"
    after = (place / "file").stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert os.listdir(str(place / "folder")) == ["in"]
    assert os.readlink(str(place / "link")) == "file"
    assert not (place / "new file").exists() and not (place / "new").exists()
    assert (place / "undone").exists()
    assert Guard(host, "a1").outcome() == "ok" and Guard(host, "b2").outcome() is None
    assert Guard(host, "a1").armed() is None and not (place / "etc/rollback").exists()


def test_root_does_not_go_where_a_link_leads_that_came_later(place):
    home, other, guard = place / "home", place / "other", Guard(Systemd(), "a1")
    for folder in (home, other):
        folder.mkdir()
    (home / "keys").write_text("old")
    guard.arm([str(home / "keys"), str(home / "absent")], [])
    home.rename(place / "away")
    for name in ("keys", "absent"):
        (other / name).write_text("root's")
    home.symlink_to(other)
    assert "leads elsewhere" in guard.roll_back()
    assert [(other / name).read_text() for name in ("keys", "absent")] == ["root's", "root's"]
    assert sorted(os.listdir(str(other))) == ["absent", "keys"]


def test_no_folder_is_made_where_a_link_leads_that_came_later(place):
    home, other, guard = place / "home", place / "other", Guard(Systemd(), "a1")
    (home / "app/deep").mkdir(parents=True)
    (home / "app/deep/keys").write_text("old")
    other.mkdir()
    guard.arm([str(home / "app/deep/keys")], [])
    shutil.rmtree(str(home))
    home.symlink_to(other)
    assert "app/deep cannot be made" in guard.roll_back()
    assert os.listdir(str(other)) == []


def test_folders_that_are_gone_are_made_one_in_the_other(place):
    (place / "a b/c").mkdir(parents=True)
    (place / "a b/c").chmod(0o2750)
    (place / "a b/c/file").write_text("old\n")
    guard = Guard(Systemd(), "a1")
    guard.arm([str(place / "a b/c/file")], [])
    shutil.rmtree(str(place / "a b"))
    assert guard.roll_back() == "ok"
    assert (place / "a b/c/file").read_text() == "old\n"
    assert [(place / name).stat().st_mode & 0o7777 for name in ("a b", "a b/c")] == [0o755, 0o2750]


def test_it_says_what_it_could_not_put_back(place):
    host = Systemd()
    Guard(host, "a1").arm([], [["false"]])
    assert Guard(host, "a1").roll_back() == "`false` ended with 1"


def test_folders_come_and_go_with_what_is_in_them(place):
    (place / "folder").mkdir(mode=0o750)
    (place / "folder/file").write_text("old\n")
    host = Systemd()
    Guard(host, "a1").arm([str(place / name) for name in ("folder/file", "new/deep/file", "shared/file")], [])
    shutil.rmtree(str(place / "folder"))
    for name in ("new/deep", "shared"):
        (place / name).mkdir(parents=True)
        (place / name / "file").write_text("new\n")
    (place / "shared/other").write_text("somebody else's\n")
    assert Guard(host, "a1").roll_back() == "ok"
    assert (place / "folder/file").read_text() == "old\n" and (place / "folder").stat().st_mode & 0o777 == 0o750
    assert not (place / "new").exists() and os.listdir(str(place / "shared")) == ["other"]


def test_what_is_as_it_was_is_not_touched(place):
    (place / "file").write_text("old\n")
    before = (place / "file").stat()
    host = Systemd()
    Guard(host, "a1").arm([str(place / "file")], [])
    assert Guard(host, "a1").roll_back() == "ok"
    after = (place / "file").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_copies_that_found_no_way_back_are_kept(place):
    (place / "folder").mkdir()
    (place / "folder/file").write_text("old\n")
    host = Systemd()
    Guard(host, "a1").arm([str(place / "folder/file")], [])
    shutil.rmtree(str(place / "folder"))
    (place / "folder").write_text("in the way\n")
    assert "cannot be put back" in Guard(host, "a1").roll_back()
    assert (place / "etc/rollback-failed/0").read_text() == "old\n" and Guard(host, "a1").armed() is None


def test_a_run_that_still_changes_things_is_ended_first_with_all_it_started(place):
    host = Systemd()
    Guard(host, "a1").arm([], [])
    late = place / "late"
    words = "(sleep 2; touch %s) & setsid sh -c 'sleep 2; touch %s'" % (late, late)
    applier = subprocess.Popen(["sh", "-c", words], start_new_session=True)
    with open("/proc/%d/stat" % applier.pid, encoding="ascii") as stream:
        start = stream.read().rpartition(")")[2].split()[19]
    (place / "etc/rollback/applier").write_text("%d %s\n" % (applier.pid, start))
    time.sleep(0.5)
    # Not by the run itself: that one is done with its changes.
    assert Guard(host, "a1").roll_back() == "ok"
    assert applier.wait(timeout=5) == -9
    time.sleep(2)
    assert not late.exists()


def child(place, pid, start=None, boot=None):
    """Note a process as the one that a run has change things."""
    if start is None:
        with open("/proc/%d/stat" % pid, encoding="ascii") as stream:
            start = int(stream.read().rpartition(")")[2].split()[19])
    if boot is None:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            boot = stream.read().strip()
    (place / "etc/rollback/child").write_text("%d %d %s\n" % (pid, start, boot))


def test_what_outlived_the_run_is_ended_before_anything_is_put_back(place):
    host = Systemd()
    late, cut = place / "late", place / "etc/rollback/cut"
    Guard(host, "a1").arm([], [["sh", "-c", "[ ! -e %s ] || touch %s" % (cut, place / "was-cut")]])
    words = "(sleep 2; touch %s) & sleep 60" % late
    orphan = subprocess.Popen(["sh", "-c", words], start_new_session=True)
    child(place, orphan.pid)
    assert Guard(host, "a1").roll_back() == "ok"
    assert orphan.wait(timeout=5) == -9 and (place / "was-cut").exists()
    time.sleep(2)
    assert not late.exists()


def test_what_is_left_of_it_without_its_first_process_is_ended_too(place):
    host, late = Systemd(), place / "late"
    Guard(host, "a1").arm([], [])
    orphan = subprocess.Popen(["sh", "-c", "(sleep 2; touch %s) & read -r go" % late], stdin=-1, start_new_session=True)
    child(place, orphan.pid)
    orphan.communicate(b"go\n")
    assert Guard(host, "a1").roll_back() == "ok"
    time.sleep(2)
    assert not late.exists()


def test_who_has_its_number_now_is_left_alone(place):
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        for given in ({"start": 1}, {"boot": "another"}):
            host = Systemd()
            Guard(host, "a1").arm([], [["test", "!", "-e", str(place / "etc/rollback/cut")]])
            child(place, other.pid, **given)
            assert Guard(host, "a1").roll_back() == "ok"
            assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_of_two_rollbacks_one_gives_way(place):
    host = Systemd()
    (place / "file").write_text("old\n")
    Guard(host, "a1").arm([str(place / "file")], [])
    (place / "file").write_text("new\n")
    script = place / "etc/rollback/roll-back"
    script.write_text(script.read_text().replace("flock -w 20", "flock -w 1"))
    at_work = subprocess.Popen(["flock", guards.LOCK, "sleep", "60"], start_new_session=True)
    with open("/proc/%d/stat" % at_work.pid, encoding="ascii") as stream:
        start = stream.read().rpartition(")")[2].split()[19]
    rolling = place / "etc/rollback/rolling"
    try:
        time.sleep(0.3)
        rolling.write_text("%d %s\n" % (at_work.pid, start))
        with pytest.raises(subprocess.CalledProcessError):
            host.fire()
        assert (place / "file").read_text() == "new\n"
        # A run that hangs with the lock in its hand keeps no rollback away.
        rolling.unlink()
        host.fire()
        assert (place / "file").read_text() == "old\n"
    finally:
        os.killpg(at_work.pid, 9)
        at_work.wait()


def test_the_rollback_is_waited_for_longer_than_systemd_does(place):
    host = Systemd()
    assert guards.Guard(host, "b2", patience=300)._longest() >= 540
    guard = Guard(host, "a1", patience=300)
    guard.arm([], [["true"], ["true"], ["true"]])
    unit = (place / "units" / (guards.UNIT + ".service")).read_text()
    seconds = int(unit.split("TimeoutStartSec=")[1].split()[0])
    assert seconds >= 900 and guard._longest() > seconds and Guard(host, "other")._longest() > seconds


def test_a_pid_that_was_given_away_since_is_left_alone(place):
    host = Systemd()
    Guard(host, "a1").arm([], [])
    (place / "etc/rollback/applier").write_text("%d 1\n" % os.getpid())
    host.fire()  # we live


def test_a_second_run_is_refused_while_the_first_waits(place):
    host = Systemd()
    Guard(host, "a1", 60).arm([], [])
    with pytest.raises(Refused, match="another run .a1. is changing this host"):
        Guard(host, "b2").arm([], [])
    assert Guard(host, "a1").armed().run == "a1"


def test_a_rollback_that_lost_its_timer_is_carried_out_by_the_next_run(place):
    (place / "file").write_text("old\n")
    host = Systemd()
    Guard(host, "a1").arm([str(place / "file")], [])
    (place / "file").write_text("new\n")
    host.active = False
    Guard(host, "b2").arm([], [])
    assert (place / "file").read_text() == "old\n" and Guard(host, "b2").armed().run == "b2"


def test_half_a_state_of_a_run_that_died_before_it_changed_anything_is_cleared(place):
    (place / "etc/rollback").mkdir(parents=True)
    host = Systemd()
    Guard(host, "b2").arm([], [])
    assert Guard(host, "b2").armed().run == "b2"


@pytest.mark.parametrize("suffix", ["timer", "service"])
def test_a_masked_unit_is_refused_and_stays_masked(place, suffix):
    mask = place / "units" / ("%s.%s" % (guards.UNIT, suffix))
    mask.symlink_to("/dev/null")
    with pytest.raises(Refused, match="masked.*systemctl unmask"):
        Guard(Systemd(), "a1").arm([], [])
    assert os.readlink(str(mask)) == "/dev/null" and not (place / "etc").exists()


@pytest.mark.parametrize("broken", ["timer", "systemd", "copy", "units"])
def test_what_could_not_be_taken_back_is_refused_beforehand(place, monkeypatch, broken):
    host = Systemd(timer_works=broken != "timer")
    keep = []
    if broken == "systemd":
        monkeypatch.setattr(guards, "SYSTEMD", str(place / "absent"))
    if broken == "copy":
        (place / "file").write_text("x")
        keep = [str(place / "file")]
        monkeypatch.setattr(guards, "command", _no_room)
    if broken == "units":
        # As a read-only file system: neither to be written nor to be cleared.
        (place / "units").mkdir(exist_ok=True)
        monkeypatch.setattr(os, "unlink", _read_only)
        monkeypatch.setattr(os, "symlink", _read_only)
    with pytest.raises(Refused, match="nothing was changed"):
        Guard(host, "a1").arm(keep, [])
    monkeypatch.undo()
    assert broken == "units" or Guard(host, "a1").armed() is None and not (place / "etc/rollback").exists()


def _read_only(path, *_unused, **_options):
    raise OSError(30, "Read-only file system", str(path))


def _no_room(_host, argv, **_options):
    raise ChangeError("`%s` ended with 1: No space left on device" % " ".join(argv))


def test_only_a_fresh_login_of_the_same_run_disarms(place):
    host = Systemd()
    Guard(host, "a1").arm([], [], "198.51.100.7 50000")
    with pytest.raises(ChangeError, match="not a fresh one"):
        Guard(host, "a1").disarm("198.51.100.7 50000")
    with pytest.raises(ChangeError, match="does not wait any more"):
        Guard(host, "b2").disarm("198.51.100.7 50001")
    Guard(host, "a1").disarm("198.51.100.7 50001")
    assert not host.active and Guard(host, "a1").armed() is None
    assert (
        os.listdir(str(place / "units/multi-user.target.wants")) == []
        and not (place / "units" / (guards.UNIT + ".timer")).exists()
    )


def test_an_answer_that_got_lost_may_be_asked_for_again(place):
    host = Systemd()
    Guard(host, "a1").arm([], [])
    Guard(host, "a1").disarm()
    Guard(host, "a1").disarm()
    assert Guard(host, "a1").outcome() == guards.CONFIRMED


def test_disarming_after_the_fact_tells_what_happened(place):
    host = Systemd()
    Guard(host, "a1").arm([], [])
    host.fire()
    with pytest.raises(ChangeError, match=r"it has run \(ok\)"):
        Guard(host, "a1").disarm()


def test_the_rollback_waits_at_the_next_boot_too(place):
    Guard(Systemd(), "a1").arm([], [])
    link = place / "units/multi-user.target.wants" / (guards.UNIT + ".service")
    assert "ExecStart=/bin/sh %s/roll-back" % guards.STATE in link.read_text()


# -- the order of a change ----------------------------------------------------------------------------------------------


class Change(guarded.Guarded):
    """A change of one file that goes wrong where it is told to."""

    def plan(self, changes):
        self._at("plan")
        changes.file(self.params["path"], self.params["text"], 0o600, os.getuid(), os.getgid())

    def preflight(self):
        self._at("preflight")

    @property
    def keep(self):
        return [self.params["path"]]

    @property
    def undo(self):
        return []

    def enforce(self):
        self._at("enforce")

    def verify(self):
        self._at("verify")

    def _at(self, step):
        self.params["steps"].append(step)
        error = self.params.get(step)
        if error:
            raise error


@pytest.fixture
def params(place):
    path = place / "file"
    path.write_text("old\n")
    return {"path": str(path), "text": "new\n", "steps": [], "guard_run": "a1", "guard_seconds": 60}


def carry_out(params, check=False, host=None):
    return guarded.carry_out(host or Systemd(), params, check, Change)


def content(params):
    with open(params["path"], encoding="utf-8") as stream:
        return stream.read()


def test_a_change_is_made_in_order_and_waits_for_the_login(params):
    result = carry_out(params)
    assert params["steps"] == ["plan", "preflight", "plan", "enforce", "verify"]
    assert result["changed"] and result["guard"] == {"armed": True, "seconds": 60, "login_port": None}
    assert content(params) == "new\n" and Guard(Systemd(), "a1").armed().run == "a1"


def test_nothing_to_change_arms_nothing(params):
    params["text"] = "old\n"
    os.chmod(params["path"], 0o600)
    assert carry_out(params) == {"changed": False, "diff": []}
    assert params["steps"] == ["plan"]


@pytest.mark.parametrize("check", [False, True])
def test_what_another_run_has_not_confirmed_yet_is_not_taken_for_the_state(params, check):
    host = Systemd()
    carry_out(params, host=host)
    # To this one nothing would be left to change.
    with pytest.raises(Refused, match="another run .a1. is changing this host"):
        carry_out(dict(params, guard_run="b2"), check, host)


def test_what_a_crash_has_left_is_taken_back_before_anything_is_compared(params):
    host = Systemd()
    carry_out(params, host=host)
    host.active = False
    with pytest.raises(Refused, match="without check mode"):
        carry_out(dict(params, guard_run="b2"), True, host)
    assert carry_out(dict(params, guard_run="b2"), host=host)["changed"]
    assert Guard(host, "b2").armed().run == "b2" and Guard(host, "a1").outcome() is None


def test_a_check_tells_what_would_be_refused_and_changes_nothing(params):
    assert carry_out(params, check=True)["changed"] and content(params) == "old\n"
    params["preflight"] = Refused("nobody could log in")
    with pytest.raises(Refused, match="nobody could log in"):
        carry_out(params, check=True)


@pytest.mark.parametrize("step", ["enforce", "verify"])
@pytest.mark.parametrize("error", [Mismatch("it is not so"), ZeroDivisionError("a mistake of ours")])
def test_a_change_that_fails_is_taken_back_at_once(params, step, error):
    params[step] = error
    with pytest.raises(ChangeError, match=r"(it is not so|a mistake of ours); the host was put back as it was"):
        carry_out(params)
    assert content(params) == "old\n" and Guard(Systemd(), "a1").armed() is None


def test_without_the_controllers_half_nothing_is_changed(params):
    params["guard_run"] = None
    with pytest.raises(Refused, match="action plugin"):
        carry_out(params)
    assert content(params) == "old\n"


@pytest.mark.parametrize("seconds", [0, 4, 901])
def test_a_time_that_makes_no_sense_is_refused(params, seconds):
    params["guard_seconds"] = seconds
    with pytest.raises(Refused, match="guard_seconds takes 5 to 900"):
        carry_out(params)
