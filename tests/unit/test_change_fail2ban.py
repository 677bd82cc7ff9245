# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban: what its file says, who is never banned, which jails there are, and what is mended though the files are right."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.change import fail2ban
from ansible_collections.nself.prod.plugins.module_utils.change import fail2ban_config as config
from ansible_collections.nself.prod.plugins.module_utils.change import fail2ban_nginx as nginx
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from ansible_collections.nself.prod.plugins.modules.nself_fail2ban import SPEC
from fake_host import FakeHost

PARAMS = {name: option.get("default") for name, option in SPEC.items()}
OPERATOR = Operator("deploy", "198.51.100.7", 50000, "203.0.113.1", 2222)
SHOWN = "Id=fail2ban.service\nLoadState=loaded\nActiveState=%s\nUnitFileState=%s\n"
LOGS = "/srv/logs"


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


@pytest.fixture(autouse=True)
def operator(monkeypatch):
    """Have Ansible come from the operator's address, to whom sshd listens on 22 besides."""
    monkeypatch.setattr(fail2ban.operators, "find", lambda host: OPERATOR)
    monkeypatch.setattr(fail2ban.ssh_daemon, "read_units", lambda host: {})
    monkeypatch.setattr(fail2ban.ssh_daemon, "read_pid", lambda host, units: 60)
    monkeypatch.setattr(fail2ban.ssh_daemon, "read_listens", lambda host, pid: [("0.0.0.0", 22), ("::", 22)])
    monkeypatch.setattr(fail2ban.ssh_daemon, "read_others", lambda host, pid: {})


def a_host(files=None, active="active", enabled="enabled", **commands):
    known = {
        "sshd": "",
        "dpkg-query": "fail2ban installed\npython3-systemd installed\nnftables installed\niptables installed\n",
        "nft list tables": "",
        "iptables -w -n -L INPUT": "",
        "fail2ban-client -t": "OK",
        "systemctl show --property=Id,LoadState,ActiveState,UnitFileState fail2ban.service": SHOWN % (active, enabled),
        "systemctl": "",
    }
    return FakeHost(files=files, commands=dict(known, **commands))


def plan(host, check=True, **params):
    return fail2ban.Plan(host, Changes(host, check), dict(PARAMS, **params), OPERATOR)


def in_force(the_plan, **other):
    """Return the collector's facts of a server that does what the plan says, apart from other values of the jail sshd."""
    jails = {}
    for jail in the_plan.jails:
        jails[jail.name] = {
            "maxretry": jail.maxretry,
            "bantime": jail.bantime,
            "findtime": jail.findtime,
            "ignoreip": list(the_plan.ignored),
            "ignorecommand": "",
            "banned": 0,
            "source": {"files": list(jail.files), "matches": jail.matches.split()},
            "actions": [{"name": "x", "places": sorted(jail.hooks), "ports": [str(port) for port in jail.ports]}],
        }
    jails.get("sshd", {}).update(other)
    return {"state": "running", "jails": jails}


def run(monkeypatch, host, answers, check=False, **params):
    """Run the module's work; answers: what the server is found to do, one look after the other, the last for ever."""
    looks = list(answers)
    monkeypatch.setattr(fail2ban, "collect", lambda _host, _need: looks.pop(0) if len(looks) > 1 else looks[0])
    changes = Changes(host, True) if check else Told(host, False)
    result = fail2ban.work(host, changes, dict(PARAMS, **params), pause=lambda seconds: None)
    return changes, result


# -- the file ------------------------------------------------------------------------------------------------------------


def test_the_jail_for_ssh_bans_on_the_ports_that_sshd_has_and_ansible_came_through():
    jail = config.settings(plan(a_host()).text)["sshd"]
    assert jail["port"] == "22,2222" and 'port="22,2222"' in jail["action"]
    assert (jail["maxretry"], jail["bantime"], jail["findtime"], jail["backend"]) == ("3", "3600", "600", "systemd")
    assert "_COMM=sshd _UID=0" in jail["journalmatch"] and "_COMM=sshd-session _UID=0" in jail["journalmatch"]


def test_the_operator_is_ignored_in_every_jail_unless_told_otherwise():
    text = plan(a_host()).text
    assert all("198.51.100.7" in keys["ignoreip"] for keys in config.settings(text).values())
    assert "198.51.100.7" not in plan(a_host(), ignore_operator=False).text


def test_operators_who_take_turns_change_nothing_and_old_ones_go():
    assert config.operators(["10.0.0.1", "10.0.0.2"], "10.0.0.1") == ["10.0.0.1", "10.0.0.2"]
    assert config.operators(["1.0.0.1", "1.0.0.2", "1.0.0.3", "1.0.0.4"], "1.0.0.5") == [
        "1.0.0.2",
        "1.0.0.3",
        "1.0.0.4",
        "1.0.0.5",
    ]
    assert config.operators([], "::ffff:192.0.2.1") == ["192.0.2.1"] and config.operators([], "fe80::1%eth0") == [
        "fe80::1"
    ]
    host = a_host({config.PATH: "# operators: 192.0.2.9 rubbish; 198.51.100.7\n"})
    assert "# operators: 192.0.2.9 198.51.100.7\n" in plan(host).text


def test_whom_other_files_ignore_stays_ignored_but_not_half_the_internet():
    host = a_host(
        {
            "/etc/fail2ban/jail.conf": "[DEFAULT]\nignoreip = 192.0.2.1\n",
            "/etc/fail2ban/jail.local": "[DEFAULT]\nignoreip = 192.0.2.2, office.example.org 0.0.0.0/0\n",
            "/etc/fail2ban/jail.d/mine.local": "[sshd]\nignoreip = 192.0.2.3 %(other)s\n[recidive]\nignoreip = 192.0.2.4\n",
        }
    )
    found = plan(host, ignoreip=["10.0.0.0/8"])
    assert found.ignored == [
        "127.0.0.1/8",
        "::1",
        "10.0.0.0/8",
        "192.0.2.2",
        "office.example.org",
        "192.0.2.3",
        "198.51.100.7",
    ]
    assert found.not_ignored == ["0.0.0.0/0", "%(other)s"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"sshd_maxretry": 0},
        {"nginx_bantime": 0},
        {"ignoreip": ["10.0.0.0/8 \nx"]},
        {"ignoreip": ["0.0.0.0/0"]},
        {"ignoreip": ["10.0.0.0/33"]},
        {"ignoreip": ["office/24"]},
        {"nginx_jails": ["apache"]},
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_written(monkeypatch, wrong):
    host = a_host()
    with pytest.raises(ChangeError):
        run(monkeypatch, host, [{"state": "stopped", "jails": {}}], **wrong)
    assert host.files == {}


def test_a_file_that_is_read_later_and_says_otherwise_is_named(monkeypatch):
    host = a_host({"/etc/fail2ban/jail.d/zzz.local": "[sshd]\nbantime = 1\n[other]\nbantime = 1\n"})
    with pytest.raises(ChangeError, match="zzz.local sets bantime of .sshd., and is read after"):
        run(monkeypatch, host, [{"state": "stopped", "jails": {}}], check=True)


def test_a_file_that_is_none_of_fail2bans_is_named():
    with pytest.raises(ChangeError, match="jail.local is not what fail2ban reads"):
        plan(a_host({"/etc/fail2ban/jail.local": "bantime = 1\n"}))


def test_a_configuration_that_fail2ban_refuses_is_taken_back(monkeypatch):
    said = Completed(255, "", "2026 fail2ban [1]: ERROR   Failed during configuration: bad\n")
    host = a_host({config.PATH: "# old\n"}, **{"fail2ban-client -t": said})
    with pytest.raises(
        ChangeError, match="refuses its configuration in /etc/fail2ban: Failed during configuration: bad"
    ):
        run(monkeypatch, host, [{"state": "stopped", "jails": {}}])
    assert host.files == {config.PATH: "# old\n"}
    assert not any("restart" in argv for argv, _stdin, _env in host.ran)


def test_debian_switches_ssh_on_so_off_is_said():
    assert config.settings(plan(a_host(), sshd_enabled=False).text)["sshd"] == {"enabled": "false"}


def test_what_bans_is_what_works():
    broken = {"nft list tables": Completed(1, "", "nft: Protocol not supported")}
    assert plan(a_host(**broken)).banaction == "iptables"
    with pytest.raises(ChangeError, match="Protocol not supported"):
        plan(a_host(**broken), banaction="nftables")


# -- the server ----------------------------------------------------------------------------------------------------------


def written(**params):
    host = a_host()
    the_plan = plan(host, **params)
    the_plan._changes = Told(host, False)
    the_plan.write()
    return host, the_plan


def test_a_second_run_does_nothing(monkeypatch):
    host, the_plan = written()
    changes, result = run(monkeypatch, host, [in_force(the_plan)])
    assert not changes.changed and result["jails"] == ["sshd"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"bantime": 30}, "sshd bantime is 30 instead of 3600"),
        ({"ignoreip": ["127.0.0.0/8", "::1", "198.51.100.7", "8.0.0.0/8"]}, "sshd ignores 8.0.0.0/8"),
        ({"ignoreip": ["127.0.0.0/8", "::1"]}, "sshd does not ignore 198.51.100.7"),
        ({"ignorecommand": "/bin/true"}, "sshd ignorecommand is /bin/true instead of nothing"),
        ({"actions": []}, "sshd bans nowhere in input"),
        ({"maxretry": Unread("error", "odd")}, "sshd maxretry cannot be read"),
    ],
)
def test_what_was_changed_at_run_time_is_mended_though_the_file_is_right(monkeypatch, other, said):
    host, the_plan = written()
    drifted = in_force(the_plan, **other)
    assert run(monkeypatch, host, [drifted], check=True)[0].changed
    changes, _result = run(monkeypatch, host, [drifted, in_force(the_plan)])
    assert len(changes.effects()) == 1 and said in changes.effects()[0]


def test_what_a_restart_does_not_mend_is_an_error(monkeypatch):
    host, the_plan = written()
    times = iter(range(0, 10000, 5))
    host.now = lambda: next(times)
    with pytest.raises(ChangeError, match="bantime is 30 instead of 3600"):
        run(monkeypatch, host, [in_force(the_plan, bantime=30)])


def test_a_service_that_is_masked_and_dead_is_brought_back(monkeypatch):
    host, the_plan = written()
    host.commands.update(a_host(active="failed", enabled="masked-runtime").commands)
    changes, _result = run(monkeypatch, host, [{"state": "stopped", "jails": {}}, in_force(the_plan)])
    commands = [argv for argv, _stdin, _env in host.ran if argv[0] == "systemctl" and argv[1] != "show"]
    assert commands == [
        ("systemctl", "unmask", "--runtime", "fail2ban.service"),
        ("systemctl", "enable", "fail2ban.service"),
        ("systemctl", "reset-failed", "fail2ban.service"),
        ("systemctl", "restart", "fail2ban.service"),
    ]


def test_the_operators_own_ban_is_lifted(monkeypatch):
    host, the_plan = written()
    seen = in_force(the_plan)
    seen["jails"]["recidive"] = {"banned": 1}
    host.commands["fail2ban-client -i"] = (
        "Fail2Ban\nfail2ban> Status for the jail: recidive\n   `- Banned IP list:\t192.0.2.1 198.51.100.7\nfail2ban> "
    )
    host.commands["fail2ban-client unban 198.51.100.7"] = "1"
    changes, result = run(monkeypatch, host, [seen])
    assert changes.changed and result["unbanned"] == "198.51.100.7"
    host.commands["fail2ban-client -i"] = (
        "Fail2Ban\nfail2ban> Status for the jail: recidive\n   `- Banned IP list:\t198.51.100.70\nfail2ban> "
    )
    assert run(monkeypatch, host, [seen])[1]["unbanned"] is None


def test_a_check_before_it_is_installed_tells_what_would_be(monkeypatch):
    host = FakeHost(commands={"sshd": "", "dpkg-query": "fail2ban config-files\n"})
    changes, result = run(monkeypatch, host, [None], check=True)
    assert changes.changed and result["jails"] == ["sshd"] and result["banaction"] == "nftables"
    assert result["missing"] == ["fail2ban", "python3-systemd", "nftables"]
    with pytest.raises(ChangeError, match="install the packages fail2ban, python3-systemd, nftables first"):
        run(monkeypatch, host, [None])


# -- nginx ---------------------------------------------------------------------------------------------------------------


def unit(source=LOGS, target="/var/log/nginx", rw=True, **other):
    mounts = [{"source": source, "target": target, "rw": rw, "bind": True}] if source else []
    return dict({"mounts": mounts, "host_namespaces": [], "environment": {}, "pid": "7", "name": "nginx"}, **other)


def found(monkeypatch, source):
    monkeypatch.setattr(nginx, "find", lambda host, project_dir: source)


def test_a_log_counts_only_where_the_container_writes_it_to_the_host():
    host = a_host({LOGS + "/error.log": "", LOGS + "/access.log": "", LOGS + "/error.log.1": ""})
    assert nginx.logs_of(host, [unit()]).logs == {"error": [LOGS + "/error.log"], "access": [LOGS + "/access.log"]}
    assert nginx.logs_of(host, [unit("/srv", "/var/log")]).problem == "/srv/nginx does not exist"
    for other in (unit(None), unit("a-volume"), unit(rw=False), unit(target="/var/log/other")):
        assert "no folder of the host is mounted" in nginx.logs_of(host, [other]).problem


def test_nginx_writes_in_its_own_time_zone():
    host = a_host({LOGS + "/error.log": "", "/proc/7/root/etc/localtime": "TZif2...\nUTC0\n"})
    assert nginx.logs_of(host, [unit()]).zone == "UTC"
    host.files["/proc/7/root/etc/localtime"] = "TZif2...\nJST-9\n"
    assert nginx.logs_of(host, [unit()]).zone == ""
    assert nginx.logs_of(host, [unit(environment={"TZ": "UTC"})]).zone == "UTC"


def test_a_jail_without_its_log_is_left_out_and_the_reason_told(monkeypatch):
    found(monkeypatch, nginx.Source({"error": (LOGS + "/error.log",)}))
    the_plan = plan(a_host())
    assert [jail.name for jail in the_plan.jails] == ["sshd", "nginx-http-auth", "nginx-limit-req"]
    assert the_plan.left_out == {"nginx-botsearch": "nginx writes no access log to the host"}
    assert the_plan.result(None)["left"] == ["no jail nginx-botsearch: nginx writes no access log to the host"]
    found(monkeypatch, nginx.Source({}, "why"))
    assert set(plan(a_host()).left_out.values()) == {"why"}
    found(monkeypatch, nginx.Source({}, "no deployment", mendable=False))
    assert plan(a_host()).result(None)["left"] == []


def test_bans_stand_where_container_traffic_passes(monkeypatch):
    found(monkeypatch, nginx.Source({"error": (LOGS + "/error.log",)}))
    action = config.settings(plan(a_host()).text)["nginx-http-auth"]["action"]
    assert 'chain_hook="forward"' in action and "multiport" not in action
    host = a_host(**{"iptables -w -n -L DOCKER-USER": ""})
    assert 'chain="DOCKER-USER"' in config.settings(plan(host, banaction="iptables").text)["nginx-http-auth"]["action"]
    host = a_host(**{"iptables -w -n -L DOCKER-USER": Completed(1, "", "No chain")})
    assert "DOCKER-USER" in plan(host, banaction="iptables").left_out["nginx-http-auth"]


def test_on_the_hosts_own_network_the_ports_of_the_host_are_banned_too(monkeypatch):
    found(monkeypatch, nginx.Source({"error": (LOGS + "/error.log",)}, host_network=True))
    assert 'name="nginx-http-auth-host", port="80,443"' in plan(a_host()).text


def test_an_nginx_that_is_stopped_keeps_its_jails_as_they_are(monkeypatch):
    log = LOGS + "/error.log"
    found(monkeypatch, nginx.Source({"error": (log,)}, host_network=True, zone="UTC"))
    host = a_host({log: ""})
    host.files[config.PATH] = plan(host).text
    found(monkeypatch, nginx.Source({}, "stopped", gone=True))
    assert plan(host).text == host.files[config.PATH]
    del host.files[log]
    assert plan(host).left_out["nginx-http-auth"] == "stopped"


def test_with_iptables_fail2ban_waits_for_docker_and_with_nftables_no_more(monkeypatch):
    found(monkeypatch, nginx.Source({"error": (LOGS + "/error.log",)}))
    host = a_host(**{"iptables -w -n -L DOCKER-USER": ""})
    host.stats[fail2ban.DROP_IN] = FileInfo(0o755, 0, 0, 0, 0.0, "dir")
    the_plan = plan(host, banaction="iptables")
    the_plan._changes = Told(host, False)
    the_plan.write()
    assert "After=docker.service" in host.files[fail2ban.ORDER]
    the_plan = plan(host)
    the_plan._changes = Told(host, False)
    the_plan.write()
    assert fail2ban.ORDER not in host.files
