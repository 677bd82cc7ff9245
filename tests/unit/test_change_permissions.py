# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access that is taken away, and what stays with those who need it."""

from __future__ import annotations

import os

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.accounts import rules_of
from ansible_collections.nself.prod.plugins.module_utils.change import permissions, permissions_sudoers
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.permissions_files import (
    Wish,
    narrowed,
    reason_to_keep,
)
from ansible_collections.nself.prod.plugins.module_utils.change.permissions_readers import Reader, readers
from ansible_collections.nself.prod.plugins.module_utils.change.permissions_sudoers import Person
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, Host
from ansible_collections.nself.prod.plugins.module_utils.parse.sudoers import passwordless
from fake_host import FakeHost

DEPLOY = Person("deploy", 1000, frozenset(("deploy", "sudo")), frozenset((1000, 27)))
KEY = "/p/ssl/key.pem"


def info(mode, uid=1000, gid=1000, kind="file", links=1):
    return FileInfo(mode, uid, gid, 10, 0.0, kind, 0.0, links)


# -- sudoers -----------------------------------------------------------------------------------------------------------


def after(how, text, keep=(), people=(DEPLOY,), main="@includedir /etc/sudoers.d\n"):
    """Return (the text of a file in sudoers.d, who is free, what is left) after a plan was carried out."""
    host = FakeHost({"/etc/sudoers": main, "/etc/sudoers.d/x": text})
    plan = permissions_sudoers.plan(rules_of(host), keep, people, how)
    texts = permissions_sudoers.applied({"/etc/sudoers.d/x": text, "/etc/sudoers": main}, plan.edits)
    lines = [rule.text for rule in rules_of(permissions_sudoers.Overlay(host, texts))]
    return texts.get("/etc/sudoers.d/x", text), passwordless(lines), plan.left


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("visitor ALL=(ALL) NOPASSWD: ALL\n", []),
        ("visitor ALL=(ALL) NOPASSWD:ALL", []),
        ("visitor ALL = (root) NOPASSWD: /bin/ls, PASSWD: /bin/cat, NOPASSWD: /bin/bash\n", []),
        ("User_Alias TEAM = visitor, \\\n deploy\nTEAM ALL = NOPASSWD: \\\n  ALL\n", ["deploy"]),
        ("%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n", ["deploy"]),
        ("ALL ALL=(ALL) NOPASSWD: ALL\n", ["deploy"]),
        ("%#27 ALL=(ALL) NOPASSWD: ALL\n", ["deploy"]),
        ("#1000 ALL=(ALL) NOPASSWD: ALL\n", ["#1000"]),
        ("#1001 ALL=(ALL) NOPASSWD: ALL\n", []),
        ("Defaults:visitor !authenticate\nvisitor ALL=(ALL) ALL\n", []),
        ("Defaults env_reset, !authenticate\n", ["deploy"]),
        ("Defaults exempt_group=staff\n", []),
        ("Cmnd_Alias SHELLS = /bin/sh, /bin/bash\nvisitor ALL = NOPASSWD: SHELLS\n", []),
    ],
)
@pytest.mark.parametrize("how", ["password", "disable"])
def test_nobody_but_the_operator_stays_free(how, text, free):
    new, found, left = after(how, text)
    assert (found, left) == (free, ())
    again, _found, _left = after(how, new)
    assert again == new


def test_with_a_password_the_right_stays():
    new, _free, _left = after("password", "visitor ALL=(ALL) NOPASSWD: ALL\n")
    assert new == "# nself.prod permissions: visitor ALL=(ALL) NOPASSWD: ALL\nvisitor ALL=(ALL) ALL\n"
    assert after("disable", "visitor ALL=(ALL) NOPASSWD: ALL\n")[0] == new.splitlines(True)[0]


def test_other_settings_of_a_line_stay():
    new, _free, _left = after("disable", 'Defaults env_keep += "A B", !authenticate\n', people=())
    assert new.endswith('Defaults env_keep += "A B"\n')


def test_lines_of_their_own_hold_what_a_comment_could_swallow():
    new, _free, _left = after("disable", "visitor ALL = NOPASSWD: \\\n  ALL\nother ALL = /bin/ls\n")
    assert new.splitlines()[-1] == "other ALL = /bin/ls"
    assert not any(line.endswith("\\") for line in new.splitlines())


def test_those_who_may_and_single_commands_are_left_alone():
    text = (
        "deploy ALL=(ALL) NOPASSWD: ALL\nci ALL=(ALL) NOPASSWD: ALL\nbackup ALL = NOPASSWD: /usr/bin/rsync --server *\n"
    )
    assert after("disable", text, keep=("ci",))[0] == text


def test_report_changes_nothing_and_names_the_line():
    new, free, left = after("report", "# a\nvisitor ALL=(ALL) NOPASSWD: ALL\n")
    assert (new, free) == ("# a\nvisitor ALL=(ALL) NOPASSWD: ALL\n", ["visitor"])
    assert left[0].startswith("/etc/sudoers.d/x line 2 gives visitor root without a password")


def test_what_is_not_understood_stays_and_is_told():
    _new, _free, left = after("disable", "ALL, !bob ALL=(ALL) NOPASSWD: ALL\n")
    assert "exceptions" in left[0]


def sudo_host(**commands):
    files = {
        "/etc/passwd": "root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/:/bin/sh\n",
        "/etc/group": "sudo:x:27:deploy\n",
        "/etc/shadow": "root:*:1::::::\ndeploy:*:1::::::\n",
        "/etc/sudoers": "visitor ALL=(ALL) NOPASSWD: ALL\n",
    }
    answers = {"sudo": "", "visudo -c -f -": "", "visudo -c -f /etc/sudoers": "", "runuser": ""}
    return FakeHost(files, commands=dict(answers, **commands))


def apply_sudoers(host, how="password", people=(DEPLOY,), keep=()):
    class Written(Changes):
        def file(self, path, text, *others, **named):
            self.changed = True
            host.files[path] = text
            return True

    changes, left = Written(host, False), []
    permissions.Changes, kept = Written, permissions.Changes
    try:
        permissions._sudoers(host, changes, {"sudoers": how, "nopasswd_users": list(keep)}, people, left)
    finally:
        permissions.Changes = kept
    return left


def test_sudoers_that_visudo_refuses_is_never_installed():
    host = sudo_host(**{"visudo -c -f -": Completed(1, "", "stdin:1: syntax error")})
    with pytest.raises(ChangeError, match="/etc/sudoers stays as it is"):
        apply_sudoers(host)
    assert host.files["/etc/sudoers"] == "visitor ALL=(ALL) NOPASSWD: ALL\n"


def test_sudoers_comes_back_when_the_operator_cannot_sudo_any_more():
    answers = iter([Completed(0, "", ""), Completed(1, "", "a password is required")])
    host = sudo_host(runuser=lambda *_others: next(answers))
    with pytest.raises(ChangeError, match="deploy could not sudo"):
        apply_sudoers(host)
    assert host.files["/etc/sudoers"] == "visitor ALL=(ALL) NOPASSWD: ALL\n"


@pytest.mark.parametrize("password, stays", [("*", True), ("!$6$x", True), ("$6$x", False), ("", False)])
@pytest.mark.parametrize("who", ["anna", "%admins"])
def test_another_administrator_who_has_no_password_to_give_is_not_cut_off(who, password, stays):
    host = sudo_host()
    host.files["/etc/passwd"] += "anna:x:1001:1001::/:/bin/sh\nbot:x:1002:1002::/:/usr/sbin/nologin\n"
    host.files["/etc/group"] += "admins:x:30:anna,bot\n"
    host.files["/etc/shadow"] += "anna:%s:1::::::\nbot:*:1::::::\n" % password
    line = "%s ALL=(ALL) NOPASSWD: ALL\n" % who
    host.files["/etc/sudoers"] = line
    left = apply_sudoers(host)
    assert (host.files["/etc/sudoers"] == line) == stays
    assert any("stays: anna has no password" in text for text in left) == stays


def test_a_line_is_taken_out_whoever_it_cuts_off_where_that_is_asked_for():
    host = sudo_host()
    host.files["/etc/passwd"] += "anna:x:1001:1001::/:/bin/sh\n"
    host.files["/etc/shadow"] += "anna:*:1::::::\n"
    host.files["/etc/sudoers"] = "anna ALL=(ALL) NOPASSWD: ALL\n"
    apply_sudoers(host, how="disable")
    assert host.files["/etc/sudoers"].startswith("# nself.prod permissions: anna")


def test_sudoers_stays_where_nobody_knows_who_administers_the_host():
    host = sudo_host()
    left = apply_sudoers(host, people=())
    assert host.files["/etc/sudoers"] == "visitor ALL=(ALL) NOPASSWD: ALL\n"
    assert "who administers this host is not known" in left[-1]
    apply_sudoers(host, people=(), keep=("deploy",))
    assert "\nvisitor ALL=(ALL) ALL\n" in host.files["/etc/sudoers"]


# -- files -------------------------------------------------------------------------------------------------------------


def reader(uid, gids=(), free=False, source="/p/ssl"):
    return Reader("web", uid, frozenset(gids), free, (source,))


@pytest.mark.parametrize(
    ("mode", "owner", "who", "expected"),
    [
        (0o644, (1000, 1000), [], 0o600),
        (0o666, (1000, 1000), [reader(0, (0,), True)], 0o600),
        (0o400, (0, 0), [], 0o400),
        (0o644, (1000, 1000), [reader(101)], 0o604),
        (0o644, (1000, 101), [reader(101, (101,))], 0o640),
        (0o666, (1000, 1000), [reader(101)], 0o604),
        (0o644, (101, 101), [reader(101)], 0o600),
        (0o644, (1000, 1000), [reader(101, source="/p/sslx")], 0o600),
        (0o644, (1000, 1000), [reader(None)], 0o644),
    ],
)
def test_a_key_is_closed_as_far_as_its_readers_allow(mode, owner, who, expected):
    found, why = narrowed(Wish(KEY, "private key", 0o077), info(mode, *owner), who)
    assert (found, bool(why)) == (expected, bool(expected & 0o077))


def test_the_remedy_names_the_readers_group():
    text = reason_to_keep(Wish(KEY, "private key", 0o077), 0o604, [reader(101, (101,))])
    assert text.startswith(
        "/p/ssl/key.pem stays at 0604, since it is read by container web as uid 101: `chown root:101`"
    )


STATUS = "Name:\tx\nUid:\t%d\t%d\t%d\t%d\nGid:\t5\t5\t5\t5\nGroups:\t7 8\nCapEff:\t%s\n"


def container(**others):
    mounts = [
        {"Type": "bind", "Source": "/p/ssl", "Destination": "/ssl"},
        {"Type": "volume", "Name": "v", "Source": "/var/lib/docker/volumes/v/_data"},
    ]
    base = {"Name": "/web", "Mounts": mounts, "State": {"Running": True, "Pid": 9}, "Config": {}, "HostConfig": {}}
    return dict(base, **others)


def proc(uid=101, caps="0", own="0 0 4294967295\n", theirs="0 0 4294967295\n", comm="nginx"):
    return {
        "/proc/self/uid_map": own,
        "/proc/9/uid_map": theirs,
        "/proc/9/comm": comm + "\n",
        "/proc/9/status": STATUS % (uid, uid, uid, uid, caps),
    }


def test_a_running_container_reads_as_what_its_process_is():
    assert readers(FakeHost(proc()), [container()]) == [Reader("web", 101, frozenset((5, 7, 8)), False, ("/p/ssl",))]
    assert readers(FakeHost(proc(0, "00000000a80425fb")), [container()])[0].free
    assert not readers(FakeHost(proc(0, "0")), [container()])[0].free
    # Its root is nobody on the host, so its capabilities open nothing there.
    assert not readers(FakeHost(proc(100000, "a80425fb", theirs="0 100000 65536\n")), [container()])[0].free


def test_behind_an_init_its_child_reads():
    files = dict(proc(0, "a80425fb", comm="tini"), **{"/proc/9/task/9/children": "12 "})
    files["/proc/12/status"] = STATUS % (70, 70, 70, 70, "0")
    assert [item.uid for item in readers(FakeHost(files), [container()])] == [70]


@pytest.mark.parametrize(
    ("config", "applied", "uid", "free"),
    [
        ({"User": ""}, {}, 0, True),
        ({"User": "101:101"}, {}, 101, False),
        ({"User": "nginx"}, {}, None, False),
        ({"User": "root"}, {"CapDrop": ["ALL"]}, 0, False),
        ({"User": "0"}, {"CapDrop": ["ALL"], "CapAdd": ["CAP_DAC_OVERRIDE"]}, 0, True),
    ],
)
def test_a_stopped_container_reads_as_it_would_start(config, applied, uid, free):
    item = container(State={"Running": False, "Pid": 0}, Config=config, HostConfig=applied)
    found = readers(FakeHost({"/proc/self/uid_map": ""}), [item])[0]
    assert (found.uid, found.free) == (uid, free)


def project(tmp_path, **files):
    for name, text in dict({"docker-compose.yml": "services: {}\n"}, **files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)


class Local(Host):
    """This machine, without Docker."""

    def which(self, name):
        return None

    def within(self, seconds):
        return self


def close(tmp_path, check=False):
    changes, left = Changes(Local(), check), []
    permissions._project(Local(), changes, str(tmp_path), left)
    return changes, left


def mode(path):
    return oct(path.lstat().st_mode & 0o7777)


PEM = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"


def test_a_project_is_closed_and_what_leaves_it_is_not(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o644)
    home = tmp_path / "p"
    project(
        home,
        **{
            ".env": "A_PASSWORD=1\n",
            ".env.example": "A_PASSWORD=\n",
            ".environments/prod/.env.secrets": "B=1\n",
            "ssl/x/privkey.pem": PEM,
            "ssl/x/fake.key": "no key\n",
            "secrets/token": "t\n",
            "backups/app.sql.gz": "\x1f\x8b" + "x" * 900,
            "data/pg/private.key": PEM,
        },
    )
    (home / "secrets/link").symlink_to(outside)
    os.link(home / ".env", home / ".env.bak")
    (home / "backups").chmod(0o755)
    changes, left = close(home, check=True)
    assert changes.changed and mode(home / ".environments/prod/.env.secrets") == "0o644"
    expected = changes.result()["diff"]
    changes, left = close(home)
    assert changes.result()["diff"] == expected
    for name in (".environments/prod/.env.secrets", "ssl/x/privkey.pem", "secrets/token"):
        assert mode(home / name) == "0o600", name
    assert mode(home / "backups") == "0o700"
    # Templates, what is no key, and what is data stay as they are; so does what has another name.
    for name in (".env.example", "ssl/x/fake.key", "data/pg/private.key", ".env", "docker-compose.yml"):
        assert mode(home / name) == "0o644", name
    assert mode(outside) == "0o644"
    assert any("leaves the project" in line for line in left)
    assert any("hard link" in line for line in left)
    assert not close(home)[0].changed


def test_a_folder_that_was_swapped_for_a_link_is_not_followed(tmp_path):
    project(tmp_path / "p", **{"secrets/passwd": "x\n"})
    (tmp_path / "p/secrets").rename(tmp_path / "real")
    (tmp_path / "p/secrets").symlink_to(tmp_path / "real")
    with pytest.raises(ChangeError, match="cannot be changed"):
        Changes(Host(), False).access(str(tmp_path / "p/secrets/passwd"), 0o600, strict=True)
    assert mode(tmp_path / "real/passwd") == "0o644"


def test_a_wrong_folder_is_told_and_nothing_is_touched(tmp_path):
    project(tmp_path, **{".env": "A=1\n"})
    (tmp_path / "docker-compose.yml").unlink()
    changes, left = close(tmp_path)
    assert not changes.changed and "no docker-compose.yml" in left[0]
    assert "does not exist" in close(tmp_path / "none")[1][0]


def test_a_setting_cannot_have_the_systems_folders_closed(tmp_path):
    project(tmp_path / "p", **{".env": "BACKUP_DIR=%s/home\nBACKUP_KEY_FILE=%s/home/passwd\n" % (tmp_path, tmp_path)})
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o755)
    (tmp_path / "home/passwd").write_text("x" * 40)
    (tmp_path / "home/passwd").chmod(0o644)
    _changes, left = close(tmp_path / "p")
    assert mode(tmp_path / "home") == "0o755" and mode(tmp_path / "home/passwd") == "0o644"
    assert any("no folder of their own" in line for line in left)


# -- accounts ----------------------------------------------------------------------------------------------------------


def accounts_host(shadow):
    passwd = "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nvisitor:x:1001:1001::/:/bin/sh\ndeploy:x:1000:1000::/:/bin/sh\n"
    return FakeHost({"/etc/passwd": passwd, "/etc/shadow": shadow}, commands={"usermod": ""})


def apply_accounts(shadow, **params):
    host, left = accounts_host(shadow), []
    options = dict({"empty_passwords": "lock", "extra_root": "report"}, **params)
    permissions._accounts(host, Changes(host, False), options, [DEPLOY], left)
    return [" ".join(words) for words, _stdin, _env in host.ran], left


def test_empty_passwords_are_locked_but_never_the_operators():
    ran, left = apply_accounts("root:*:::::::\ntoor:!:::::::\nvisitor::::::::\ndeploy::::::::\n")
    assert ran == ["usermod --lock visitor"]
    assert left[0].startswith("deploy, who runs this, has an empty password")


def test_a_second_root_is_told_and_can_be_shut():
    good = "root:*:::::::\ntoor:!:::::::\nvisitor:!:::::::\ndeploy:!:::::::\n"
    assert apply_accounts(good)[0] == []
    assert "toor has uid 0" in apply_accounts(good)[1][0]
    assert apply_accounts(good, extra_root="lock")[0] == [
        "usermod --lock --expiredate 1 --shell /usr/sbin/nologin toor"
    ]


def test_the_systems_files_only_lose():
    host = FakeHost(
        {"/etc/group": "shadow:x:42:\n", "/etc/crontab": "", "/etc/sudoers.d/x": ""},
        stats={
            "/etc/shadow": info(0o644, 0, 42),
            "/etc/gshadow": info(0o640, 0, 1000),
            "/etc/passwd": info(0o600, 0, 0),
            "/etc/cron.d": info(0o1777, 0, 0, "dir"),
            "/etc/sudoers": info(0o440, 0, 0),
        },
    )
    changes = Changes(host, True)
    permissions._system(host, changes)
    told = {entry["after_header"]: entry["after"].strip() for entry in changes.result()["diff"]}
    assert told == {
        "/etc/shadow": "mode 0640, uid 0, gid 42",
        "/etc/gshadow": "mode 0640, uid 0, gid 0",
        "/etc/cron.d": "mode 1700, uid 0, gid 0",
        "/etc/crontab": "mode 0600, uid 0, gid 0",
        "/etc/sudoers.d": "mode 0750, uid 0, gid 0",
        "/etc/sudoers.d/x": "mode 0440, uid 0, gid 0",
    }


@pytest.mark.parametrize(
    ("service", "socket", "sleeps"),
    [("inactive", "active", True), ("active", "active", False), ("inactive", "inactive", False)],
)
def test_an_engine_that_sleeps_is_not_woken(service, socket, sleeps):
    def systemctl(argv, _stdin, _env):
        return "LoadState=loaded\nActiveState=%s\n" % (service if argv[2] == "docker.service" else socket)

    files = {"/var/www/nself/docker-compose.yml": "services: {}\n", "/var/www/nself/.env": "A=1\n", "/etc/passwd": ""}
    host = FakeHost(
        files, commands={"systemctl": systemctl, "docker": Completed(1, "", "Cannot connect to the Docker daemon")}
    )
    left = []
    permissions._project(host, Changes(host, True), None, left)
    assert any(argv[0] == "docker" for argv, _stdin, _env in host.ran) is not sleeps
    assert any("engine is stopped" in line for line in left)
