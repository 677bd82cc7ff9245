# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates that install themselves: apt's file, its timers, and when the daily job has to run now."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import updates
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from ansible_collections.nself.prod.plugins.module_utils.parse import apt_config
from ansible_collections.nself.prod.plugins.modules.nself_unattended_upgrades import SPEC
from fake_host import FakeHost

PARAMS = {name: option.get("default") for name, option in SPEC.items()}
NOW, DAY = 1.8e9, 86400.0
STAMP = "/var/lib/apt/periodic/upgrade-stamp"
INDEX = "/var/lib/apt/lists/security.debian.org_dists_trixie-security_InRelease"
STATUS = "/var/lib/dpkg/status"
DEBIAN = {"/etc/os-release": "ID=debian\nVERSION_CODENAME=trixie\n"}


class Told(Changes):
    """Changes whose files go to the fake host."""

    def file(self, path, text, mode=0o644, uid=0, gid=0, secret=False):
        if self.read(path) == text:
            return False
        self.changed = True
        self.host.files[path] = text
        return True

    def absent(self, path):
        return self.host.files.pop(path, None) is not None

    def effects(self):
        return self._effects


def dumped(text):
    """Return what apt-config dump prints of a file of ours."""
    out, name = [], ""
    for line in text.splitlines():
        if line.startswith(("//", "#clear", "}")):
            continue
        if line.endswith("{"):
            name = line[:-2]
        elif line.startswith("    "):
            out.append("%s:: %s" % (name, line.strip()))
        else:
            out.append(line)
    return "\n".join(out) + "\n"


def shown(*wrong):
    """Return what systemctl show prints; wrong: (unit, active, enabled)."""
    states = {name: ("active", "enabled") for name in ("apt-daily.timer", "apt-daily-upgrade.timer", updates.GUARD)}
    states.update({name: ("inactive", "static") for name in updates.SERVICES})
    states.update({name: (active, enabled) for name, active, enabled in wrong})
    block = "Id=%s\nLoadState=loaded\nActiveState=%s\nUnitFileState=%s"
    return "\n\n".join(block % (name, *state) for name, state in states.items())


def facts(**other):
    timers = [
        {
            "name": name,
            "active": True,
            "enabled": True,
            "next_days": 0.5,
            "service": "loaded",
            "runs": "/usr/lib/apt/apt.systemd.daily" + job,
        }
        for name, job in updates.JOBS.items()
    ]
    return dict(
        {
            "timers": timers,
            "archives": [{"name": "Debian-Security", "age_days": 1.0, "allowed": True}],
            "last_run_days": 0.5,
            "pending": [],
            "left_out": [],
            "reboot_required": False,
        },
        **other,
    )


def a_host(files=None, units=None, stamp=1.0, index=2.0, status=2.0, **commands):
    """Return a host; stamp, index, status: how many days ago each was written."""
    known = {"dpkg-query": "unattended-upgrades installed\n", "systemctl": "", "apt-get": "", "touch": ""}
    units = units or shown()
    host = FakeHost(files=dict(DEBIAN, **(files or {})), commands=known, now=NOW)
    for path, days in ((STAMP, stamp), (INDEX, index), (STATUS, status)):
        host.files[path] = ""
        host.stats[path] = FileInfo(0o644, 0, 0, 0, NOW - days * DAY, "file")
    host.commands["apt-config"] = lambda argv, stdin, env: dumped(host.files.get(updates.PATH, ""))
    host.commands["systemctl"] = lambda argv, stdin, env: units if argv[1] == "show" else ""
    host.commands.update(commands)
    return host


def run(monkeypatch, host, found, check=False, **params):
    looks = list(found)
    monkeypatch.setattr(updates.updates, "collect", lambda _host, _need: looks.pop(0) if len(looks) > 1 else looks[0])
    changes = Changes(host, True) if check else Told(host, False)
    return changes, updates.work(host, changes, dict(PARAMS, **params))


def done(host, word):
    return [argv for argv, _stdin, _env in host.ran if word in argv]


# -- apt's file ----------------------------------------------------------------------------------------------------------


def test_only_security_and_never_docker(monkeypatch):
    host = a_host()
    run(monkeypatch, host, [facts()])
    config = apt_config.parse_dump(dumped(host.files[updates.PATH]))
    patterns = apt_config.origin_patterns(config, "Debian", "trixie")
    archive = {"origin": "Debian", "label": "Debian-Security", "codename": "trixie-security"}
    assert apt_config.allows(patterns, archive)
    assert not apt_config.allows(patterns, {"origin": "Debian", "label": "Debian", "codename": "trixie"})
    docker = ["docker-ce", "docker-ce-cli", "docker.io", "containerd.io", "containerd", "runc"]
    assert apt_config.left_out(config, docker + ["docker-compose", "runcible", "libc6", "openssh-server"]) == docker


def test_a_second_run_changes_nothing(monkeypatch):
    host = a_host()
    run(monkeypatch, host, [facts()])
    changes, result = run(monkeypatch, host, [facts()])
    assert not changes.changed and result["ran"] is None


def test_a_file_that_is_read_later_and_wins_is_named(monkeypatch):
    host = a_host()
    run(monkeypatch, host, [facts()])
    host.files[updates.PARTS + "/zzz"] = 'APT { Periodic { Unattended-Upgrade "0"; }; };'
    host.commands["apt-config"] = dumped(host.files[updates.PATH]) + 'APT::Periodic::Unattended-Upgrade "0";\n'
    with pytest.raises(ChangeError, match='Unattended-Upgrade "0" though .*take it out of /etc/apt/apt.conf.d/zzz'):
        run(monkeypatch, host, [facts()], check=True)


@pytest.mark.parametrize(
    "line",
    [
        'Unattended-Upgrade::Origins-Pattern:: "o=*";',
        'Unattended-Upgrade::Allowed-Origins:: "x:y";',
        'Unattended-Upgrade::Package-Whitelist:: "x";',
    ],
)
def test_lists_of_others_that_add_up_are_found(monkeypatch, line):
    host = a_host()
    run(monkeypatch, host, [facts()])
    host.commands["apt-config"] = dumped(host.files[updates.PATH]) + line + "\n"
    with pytest.raises(ChangeError, match="see `apt-config dump`"):
        run(monkeypatch, host, [facts()])


def test_a_file_that_apt_cannot_read_is_taken_back(monkeypatch):
    host = a_host(**{"apt-config": Completed(100, "", "E: Syntax error")})
    with pytest.raises(ChangeError, match="E: Syntax error"):
        run(monkeypatch, host, [facts()])
    assert updates.PATH not in host.files


@pytest.mark.parametrize(
    "wrong",
    [
        {"blacklist": ["("]},
        {"blacklist": ["lib"]},
        {"blacklist": ['x"; y']},
        {"reboot_time": "25:00"},
        {"origins": ["Debian"]},
        {"origins": ["o=a\nb"]},
    ],
)
def test_options_that_make_no_sense_are_refused(monkeypatch, wrong):
    host = a_host()
    with pytest.raises(ChangeError):
        run(monkeypatch, host, [facts()], **wrong)
    assert updates.PATH not in host.files


def test_another_system_has_to_be_told_where_its_updates_are(monkeypatch):
    host = a_host({"/etc/os-release": "ID=raspbian\n"})
    with pytest.raises(ChangeError, match="raspbian.*name them in origins"):
        run(monkeypatch, host, [facts()])


def test_needrestart_is_told_where_it_is(monkeypatch):
    host = a_host()
    run(monkeypatch, host, [facts()])
    assert updates.NEEDRESTART not in host.files
    host.commands["needrestart"] = ""
    run(monkeypatch, host, [facts()])
    assert "$nrconf{restart} = 'l';" in host.files[updates.NEEDRESTART]


def test_a_check_before_it_is_installed_tells_what_would_be(monkeypatch):
    host = a_host()
    host.commands["dpkg-query"] = ""
    changes, result = run(monkeypatch, host, [None], check=True)
    assert changes.changed and result["missing"] == ["unattended-upgrades"]
    with pytest.raises(ChangeError, match="install the packages unattended-upgrades first"):
        run(monkeypatch, host, [None])


# -- timers --------------------------------------------------------------------------------------------------------------


def test_units_are_unmasked_and_started_in_one_go(monkeypatch):
    units = shown(
        ("apt-daily.timer", "inactive", "masked"),
        ("apt-daily-upgrade.service", "inactive", "masked"),
        ("apt-daily-upgrade.timer", "inactive", "disabled"),
    )
    host = a_host(units=units)
    changes, _result = run(monkeypatch, host, [facts()])
    assert done(host, "unmask") == [("systemctl", "unmask", "apt-daily.timer", "apt-daily-upgrade.service")]
    assert done(host, "enable") == [("systemctl", "enable", "--now", "apt-daily.timer", "apt-daily-upgrade.timer")]
    assert len(changes.effects()) == 2


def test_a_timer_that_starts_something_else_is_an_error(monkeypatch):
    wrong = facts()
    wrong["timers"][0]["runs"] = "/bin/true"
    with pytest.raises(ChangeError, match="apt-daily.timer starts `/bin/true`"):
        run(monkeypatch, a_host(), [wrong])
    late = facts()
    late["timers"][1]["next_days"] = 300.0
    with pytest.raises(ChangeError, match="apt-daily-upgrade.timer does not fire within 7 days"):
        run(monkeypatch, a_host(), [late])


# -- a run ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "news", "why"),
    [
        ({}, True, ""),
        ({"last_run_days": None}, False, "no successful run is on record"),
        ({"last_run_days": 40.0}, False, "40 days ago"),
        ({"last_run_days": Unread("error", "in the future")}, False, "in the future"),
        ({"archives": []}, False, "no index of a security archive"),
        ({"archives": [{"name": "A", "age_days": 9.0}]}, False, "index of A is older"),
        ({"pending": ["openssl"]}, True, "openssl"),
        ({"pending": ["openssl"]}, False, ""),
        ({"pending": ["docker.io"]}, True, ""),
    ],
)
def test_when_the_daily_job_is_due(found, news, why):
    reason = updates.due(facts(**found), news, PARAMS["blacklist"])
    assert why in reason and bool(reason) == bool(why)


def test_a_check_says_that_it_would_run_and_runs_nothing(monkeypatch):
    host = a_host()
    changes, result = run(monkeypatch, host, [facts(last_run_days=None)], check=True)
    assert changes.changed and result["ran"] and not done(host, "start") and not done(host, "touch")


def test_never_means_never(monkeypatch):
    changes, result = run(monkeypatch, a_host(), [facts(last_run_days=None)], run="never")
    assert result["ran"] is None and changes.effects() == []


def starts(host, stamp):
    """Have the daily job leave a stamp, that many days ago."""

    def systemctl(argv, _stdin, _env):
        if argv[1] == "show":
            return shown()
        host.stats[STAMP] = FileInfo(0o644, 0, 0, 0, NOW - stamp * DAY, "file")
        return ""

    host.commands["systemctl"] = systemctl


def test_a_stamp_of_today_does_not_keep_the_job_from_running(monkeypatch):
    host = a_host(stamp=0.1, status=0.0)
    starts(host, 0.0)
    _changes, result = run(monkeypatch, host, [facts(pending=["openssl"]), facts(reboot_required=True)])
    assert done(host, "touch") == [("touch", "--no-create", "--date=@%d" % (NOW - 2 * DAY), STAMP)]
    assert done(host, "start") == [("systemctl", "start", "apt-daily.service", "apt-daily-upgrade.service")]
    assert result["reboot_required"] and result["pending"] == []


def test_a_run_that_did_not_end_well_is_an_error_with_its_last_word(monkeypatch):
    host = a_host({updates.LOG: "2026 INFO Starting\n2026 ERROR Lock could not be acquired\n"})
    starts(host, 2.0)
    with pytest.raises(ChangeError, match="did not end well: 2026 ERROR Lock could not be acquired"):
        run(monkeypatch, host, [facts(last_run_days=None)])


def test_lists_that_could_not_be_fetched_are_an_error(monkeypatch):
    host = a_host()
    starts(host, 0.0)
    with pytest.raises(ChangeError, match="no index of a security archive was fetched"):
        run(monkeypatch, host, [facts(archives=[])])


def test_what_is_left_to_the_operator_is_told(monkeypatch):
    _changes, result = run(monkeypatch, a_host(), [facts(pending=["docker.io", "runc"], left_out=["libc6"])])
    assert result["held_back"] == ["docker.io", "runc"] and result["pending"] == [] and result["left_out"] == ["libc6"]
    assert [line.rpartition(": ")[2] for line in result["left"]] == ["docker.io, runc", "take it out there"]
