# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall's change: what a run finds to do, what it refuses, and that it leaves a right host alone."""

from __future__ import annotations

import re
import stat
import subprocess

import pytest
import yaml
from ansible_collections.nself.prod.plugins.module_utils.change import firewall, firewall_docker, firewall_kernel
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.firewall_rules import PREFIX, STOCK
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.operator import Operator
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost

ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
NFT_EMPTY = '{"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}}]}'
READS = {"systemctl show", "iptables-save", "ip6tables-save", "nft -j"}
HERE = Operator("deploy", "192.0.2.7", 50000, "198.51.100.1", 22)
DEFAULTS = 'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\nDEFAULT_FORWARD_POLICY="DROP"\nMANAGE_BUILTINS=no\n'
CONF = "ENABLED=yes\nLOGLEVEL=low\n"


def given(**options):
    """Return the module's options, the defaults where none is given."""
    spec = firewall.spec()
    made = {name: options.pop(name, spec[name]["default"]) for name in spec}
    assert not options
    made["ssh_ports"] = made["ssh_ports"] or [22]
    return made


def units(**states):
    """Answer `systemctl show` for the units that are asked for."""

    def answer(argv, _stdin, _env):
        if argv[1] != "show":
            return ""
        parts = []
        for name in (word[: -len(".service")] for word in argv[3:]):
            fields = {"Id": name + ".service", "LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""}
            fields.update(states.get(name, {}))
            parts.append("".join("%s=%s\n" % each for each in fields.items()))
        return "\n".join(parts)

    return answer


ENABLED = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "MainPID": "0"}
OFF = {"LoadState": "loaded", "ActiveState": "inactive", "UnitFileState": "disabled", "MainPID": "0"}


@pytest.fixture(scope="session")
def real(root):
    """Return the filter table of a host with ufw, Docker and our chain, as iptables-save printed it."""
    return (root / "tests/fixtures/net/ufw-docker-13-v4.txt").read_text(encoding="utf-8")


def table(real, family="v4", docker=True):
    lines = real.splitlines()
    if not docker:
        lines = [line for line in lines if "DOCKER" not in line and "docker0" not in line and "br-" not in line]
    if family == "v6":
        lines = [re.sub(r"\bufw-", "ufw6-", line) for line in lines if not re.search(r"-[sd] \d+\.", line)]
    return "\n".join(lines) + "\n"


def around(text, prefix, kind):
    """Return a file of before or after rules that comes to what the kernel holds."""
    chains = "".join(":%s-%s-%s - [0:0]\n" % (prefix, kind, name) for name in ("input", "output", "forward"))
    lines = re.findall(
        r"^-A %s-(?:%s-(?:input|output|forward)|%s) .*$" % (prefix, kind, "not-local"), text, re.MULTILINE
    )
    lines = [
        line for line in lines if (kind == "before" or "not-local" not in line) and "-j %s-user-" % prefix not in line
    ]
    return "*filter\n%s%s\nCOMMIT\n" % (chains, "\n".join(lines))


class Machine(FakeHost):
    """A host as a run leaves it behind, and what is changed of that."""

    def __init__(self, real, with_docker=False, v4=None, v6=None, files=None, **states):
        tables = {family: table(real, family, with_docker) for family in ("v4", "v6")}
        own = {"/proc/net/route": ROUTE, "/etc/default/ufw": DEFAULTS, "/etc/ufw/ufw.conf": CONF}
        for family, suffix in (("v4", ""), ("v6", "6")):
            for kind in ("before", "after"):
                own["/etc/ufw/%s%s.rules" % (kind, suffix)] = around(tables[family], PREFIX[family], kind)
            own["/etc/ufw/user%s.rules" % suffix] = STOCK[family]
        own["/proc/sys/kernel/random/boot_id"] = "b007\n"
        own["/proc/net/if_inet6"] = ""
        known = {"ufw": ENABLED, "docker": ENABLED} if with_docker else {"ufw": ENABLED}
        commands = {
            "systemctl": units(**dict(known, **states)),
            "iptables-save": (v4 or (lambda text: text))(tables["v4"]),
            "ip6tables-save": (v6 or (lambda text: text))(tables["v6"]),
            "nft": NFT_EMPTY,
            "ufw": "",
            firewall.INIT: "",
            "iptables-restore": "",
            "ip6tables-restore": "",
        }
        super().__init__(files=own, commands=commands)
        # The files as a first run writes them.
        change = firewall.Firewall(self, given(), HERE)
        for path, text in change.state.texts.items():
            self.files[path] = text.replace("### END RULES ###\n", "### END RULES ###\n\n### LOGGING ###\n", 1)
        if with_docker:
            self.files[firewall_docker.SCRIPT] = firewall_docker.script(change.state.docker_rules)
            self.files[firewall_docker.UNIT_FILE] = firewall_docker.unit()
            self.files[firewall_docker.LINK] = ""
            self.stats[firewall_docker.FOLDER] = _info("dir", 0o700)
            self.stats[firewall_docker.SCRIPT] = _info("file", 0o700)
        self.files.update(files or {})
        self.ran = []


def _info(kind, mode):
    from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo

    return FileInfo(stat.S_IMODE(mode), 0, 0, 0, 0.0, kind)


def planned(host, operator=HERE, **options):
    """Return the change, and what its plan tells."""
    change = firewall.Firewall(host, given(**options), operator)
    changes = Changes(host, check=True)
    change.plan(changes)
    told = [line for item in changes.result()["diff"] for line in item.get("prepared", "").splitlines()]
    return change, changes, told


@pytest.mark.parametrize("docker", [False, True])
def test_a_host_that_is_right_is_only_read(real, docker):
    host = Machine(real, docker)
    change, changes, told = planned(host)
    assert (changes.changed, told) == (False, [])
    assert {" ".join(argv[:2]) for argv, _stdin, _env in host.ran} <= READS
    change.verify()
    assert change.extra()["docker"]["guarded"] is docker
    assert change.extra()["rules"][:3] == ["allow 22/tcp", "allow 80/tcp", "allow 443/tcp"]


def first(text, line):
    """Put a rule in front of all."""
    return text.replace("-A INPUT ", line + "\n-A INPUT ", 1)


FLUSHED = re.compile(r"^-A INPUT .*\n", re.MULTILINE)
DRIFTS = [
    (lambda t: t.replace(":INPUT DROP", ":INPUT ACCEPT"), firewall_kernel.RELOAD, "the default of INPUT is not DROP"),
    (lambda t: t.replace(":FORWARD DROP", ":FORWARD ACCEPT"), firewall_kernel.RELOAD, "the default of FORWARD"),
    (lambda t: FLUSHED.sub("", t), firewall_kernel.REBUILD, "nothing leads to the chain ufw-before-logging-input"),
    (lambda t: "*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", firewall_kernel.RELOAD, "ufw is not in force for IPv4"),
    (lambda t: t.replace("-A ufw-before-input -i lo -j ACCEPT\n", ""), firewall_kernel.RELOAD, "missing from the chain"),
    (
        lambda t: t.replace("-A ufw-before-input -j ufw-user-input\n", ""),
        firewall_kernel.RELOAD,
        "nothing leads to the rules of ufw's file",
    ),
    (
        lambda t: t.replace("-A ufw-user-input -p tcp -m tcp --dport 80 -j ACCEPT\n", ""),
        firewall_kernel.USER_RULES,
        "not those of ufw's file",
    ),
    (
        lambda t: t.replace("-A ufw-before-input -i lo", "-A ufw-before-input -p tcp -m tcp --dport 6379 -j ACCEPT\n"
                            + "-A ufw-before-input -i lo"),
        firewall_kernel.RELOAD,
        "which lets in 6379/tcp, is loaded again",
    ),
    (
        lambda t: first(t, "-A INPUT -p tcp -m tcp --dport 5432 -j ACCEPT"),
        firewall_kernel.NOTHING,
        "`-A INPUT -p tcp -m tcp --dport 5432 -j ACCEPT` is removed",
    ),
]  # fmt: skip


@pytest.mark.parametrize("break_it, level, words", DRIFTS)
def test_what_the_kernel_lost_or_gained_is_found_and_mended(real, break_it, level, words):
    host = Machine(real, v4=break_it)
    change, changes, told = planned(host)
    assert changes.changed and change.state.level == level and words in "\n".join(told)
    with pytest.raises(Mismatch, match=re.escape(words)):
        change.verify()
    host.ran = []
    change.enforce()
    ran = [" ".join(argv) for argv, _stdin, _env in host.ran]
    assert ("/lib/ufw/ufw-init force-reload" in ran) == (level >= firewall_kernel.RELOAD)
    batches = "\n".join(text for argv, text, _env in host.ran if argv[0] == "iptables-restore")
    assert ("-X ufw-user-input" in batches) == (level == firewall_kernel.REBUILD)
    assert ("--dport 80 -j ACCEPT" in batches) == (level == firewall_kernel.USER_RULES)
    assert ("-D INPUT -p tcp -m tcp --dport 5432 -j ACCEPT" in batches) == ("5432" in words)


def test_ipv6_that_is_let_in_is_closed_again(real):
    _change, _changes, told = planned(Machine(real, v6=lambda text: first(text, "-A INPUT -j ACCEPT")))
    assert told == ["IPv6: the rule `-A INPUT -j ACCEPT` is removed, which opens more than is wanted"]


def test_ipv6_that_is_not_wanted_is_closed(real):
    change, _changes, told = planned(Machine(real), ipv6=False)
    assert "IPv6 is closed" in told and change.state.level == firewall_kernel.RELOAD
    closed = "*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\nCOMMIT\n"
    assert planned(Machine(real, v6=lambda _text: closed), ipv6=False)[2] == []


@pytest.mark.parametrize(
    "line",
    [
        "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n:f2b-sshd",
        "-A INPUT -i wg0 -j ACCEPT",
        "-A INPUT -s 10.0.0.0/8 -j ACCEPT",
        "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "-A INPUT -s 203.0.113.0/24 -j DROP",
    ],
)
def test_what_other_software_needs_stays(real, line):
    rule, _colon, chain = line.partition("\n:")
    text = (
        (lambda t: first(t, rule).replace("*filter\n", "*filter\n:%s - [0:0]\n" % chain))
        if chain
        else (lambda t: first(t, rule))
    )
    assert planned(Machine(real, v4=text))[2] == []


def test_a_chain_of_others_that_opens_too_much_is_named_and_nothing_is_done(real):
    text = "*filter\n:ALIEN - [0:0]\n"
    host = Machine(
        real,
        v4=lambda t: first(t, "-A INPUT -j ALIEN\n-A ALIEN -p tcp -m tcp --dport 9999 -j ACCEPT").replace(
            "*filter\n", text
        ),
    )
    change, changes, _told = planned(host)
    assert changes.changed
    with pytest.raises(Refused, match="9999/tcp.*ufw_purge: false"):
        change.preflight()
    assert planned(host, purge=False)[2] == []


def test_without_purge_foreign_rules_are_told_and_stay(real):
    change, _changes, told = planned(Machine(real, v4=lambda t: first(t, "-A INPUT -j ACCEPT")), purge=False)
    assert told == [] and change.extra()["foreign"] == ["IPv4: -A INPUT -j ACCEPT"]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"ssh_ports": [2222]}, "which is not in ufw_ssh_ports"),
        ({"ssh_sources": ["10.0.0.0/8"]}, "no network in ufw_ssh_sources holds that address"),
        (
            {"deny": [{"port": "any", "proto": "any", "from": "192.0.2.0/24"}]},
            "`deny any from 192.0.2.0/24` would shut you out",
        ),
        ({"ssh_sources": ["192.0.2.8", "2001:db8::/32"]}, "no network in ufw_ssh_sources"),
    ],
)
def test_the_operator_is_never_shut_out(real, options, words):
    with pytest.raises(Refused, match=re.escape(words)):
        planned(Machine(real), **options)[0].preflight()


def test_the_operator_may_come_from_the_network_that_is_named(real):
    planned(Machine(real), ssh_sources=["192.0.2.0/24"])[0].preflight()
    six = Operator("deploy", "2001:db8::7", 50000, "2001:db8::1", 22)
    planned(Machine(real), operator=six, ssh_sources=["2001:db8::/64"])[0].preflight()
    with pytest.raises(Refused, match="connect over IPv4"):
        planned(Machine(real), operator=six, ipv6=False)[0].preflight()
    planned(Machine(real), operator=None, ssh_sources=["10.0.0.0/8"])[0].preflight()


def test_a_rule_of_input_that_would_shut_the_operator_out_is_refused(real):
    dropped = Machine(
        real, v4=lambda t: first(t, "-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j DROP")
    )
    with pytest.raises(Refused, match="a rule of INPUT that is not ufw's would shut you out"):
        planned(dropped, allow=[{"port": "81"}])[0].preflight()


def test_a_limit_on_ssh_would_ban_the_playbook(real):
    with pytest.raises(Refused, match="port 22, which is ssh's"):
        planned(Machine(real), limit=[{"port": "20:25"}])


@pytest.mark.parametrize(
    "states, files, words",
    [
        ({"firewalld": ENABLED}, {}, "firewalld.service is running and starts at boot"),
        (
            {"nftables": dict(OFF, UnitFileState="enabled")},
            {"/etc/nftables.conf": "flush ruleset\n"},
            "nftables.service starts at boot",
        ),
        ({"netfilter-persistent": ENABLED}, {}, "netfilter-persistent.service"),
        ({"ufw": dict(OFF, UnitFileState="masked")}, {}, "ufw.service is masked"),
        ({}, {"/etc/default/ufw": DEFAULTS.replace("BUILTINS=no", "BUILTINS=yes")}, "MANAGE_BUILTINS=yes"),
    ],
)
def test_what_would_undo_the_firewall_is_named(real, states, files, words):
    with pytest.raises(Refused, match=words):
        planned(Machine(real, files=files, **states))[0].preflight()


def test_nftables_that_filters_nothing_is_no_rival(real):
    host = Machine(real, files={"/etc/nftables.conf": "# flush ruleset\ntable ip nat {}\n"}, nftables=ENABLED)
    planned(host)[0].preflight()


def test_files_of_ufw_that_do_not_load_are_refused_before_ufw_starts(real):
    host = Machine(real, v4=lambda t: t.replace(":INPUT DROP", ":INPUT ACCEPT"))
    host.commands["iptables-restore"] = Completed(2, "", "Error occurred at line: 4\n")
    with pytest.raises(Refused, match="ufw would not start with /etc/ufw/before.rules: Error occurred at line: 4"):
        planned(host)[0].preflight()


def test_a_check_on_a_host_without_ufw_tells_what_will_be(real):
    host = FakeHost(files={"/proc/net/route": ROUTE}, commands={"systemctl": units()})
    change, changes, told = planned(host)
    change.preflight()
    assert changes.changed and told == ["ufw is installed and put in force"]
    with pytest.raises(Refused, match="ufw or iptables is not installed"):
        change.plan(Changes(host, check=False))


def test_a_filter_that_cannot_be_read_is_not_touched(real):
    host = Machine(real)
    host.commands["iptables-save"] = Completed(1, "", "Permission denied")
    with pytest.raises(ChangeError, match="cannot be read"):
        planned(host)


def test_the_rollback_restores_the_kernel_or_after_a_boot_loads_the_files(real):
    change = firewall.Firewall(Machine(real), given(), HERE)
    ((shell, _option, script),) = change.undo
    assert shell == "sh" and script.count("-restore -w 10 -T filter") == 2 and "force-stop" in script
    subprocess.run(["sh", "-n", "-c", script], check=True)
    packed = re.findall(r"printf %s (\S+) \| base64 -d \| gzip -d", script)[0]
    done = subprocess.run(
        ["sh", "-c", "printf %s | base64 -d | gzip -d" % packed], capture_output=True, text=True, check=True
    )
    assert done.stdout == firewall_kernel.filter_table(table(real, docker=False))


# -- Docker ----------------------------------------------------------------------------------------------------------

JUMP = "-A DOCKER-USER -j NSELF-PROD-DOCKER\n"


@pytest.mark.parametrize(
    "break_it, words",
    [
        (lambda t: t.replace(JUMP, ""), "DOCKER-USER does not ask the chain"),
        (lambda t: t.replace(JUMP, "-A DOCKER-USER -s 10.0.0.1/32 -j RETURN\n" + JUMP), "does not ask the chain"),
        (lambda t: t.replace("-A NSELF-PROD-DOCKER -m conntrack --ctstate DNAT -j DROP\n", ""), "does not hold what it has to"),
        (lambda t: t.replace("-A FORWARD -j DOCKER-USER\n", ""), "nothing leads to DOCKER-USER"),
        (lambda t: t.replace("-A FORWARD -j DOCKER-USER", "-A FORWARD -i eth0 -j ACCEPT\n-A FORWARD -j DOCKER-USER"), "is removed"),
    ],
)  # fmt: skip
def test_published_ports_that_are_let_through_are_found(real, break_it, words):
    host = Machine(real, True, v4=break_it)
    change, changes, told = planned(host)
    assert changes.changed and words in told[0]
    host.ran = []
    change.enforce()
    assert ("systemctl", "restart", firewall_docker.UNIT) in [argv for argv, _stdin, _env in host.ran]


def test_bans_may_stand_before_our_chain(real):
    def ban(text):
        text = text.replace("*filter\n", "*filter\n:f2b-web - [0:0]\n")
        return text.replace(JUMP, "-A DOCKER-USER -j f2b-web\n" + JUMP)

    assert planned(Machine(real, True, v4=ban))[2] == []


def test_published_ports_obey_what_is_allowed_and_denied(real):
    options = {
        "allow": [{"port": "80"}, {"port": "9000:9010", "proto": "udp", "from": "10.0.0.0/8"}],
        "deny": [{"port": "any", "proto": "any", "from": "203.0.113.0/24"}],
        "limit": [{"port": "8443"}],
    }
    rules = firewall.Firewall(Machine(real, True), given(**options), HERE).state.docker_rules
    judged = [rule for rule in rules["v4"] if "DNAT" in rule]
    assert judged == [
        "-s 203.0.113.0/24 -m conntrack --ctstate DNAT -j DROP",
        "-p tcp -m conntrack --ctstate DNAT --ctorigdstport 80 -j RETURN",
        "-s 10.0.0.0/8 -p udp -m conntrack --ctstate DNAT --ctorigdstport 9000:9010 -j RETURN",
        "-p tcp -m conntrack --ctstate DNAT --ctorigdstport 8443 -j RETURN",
        "-m conntrack --ctstate DNAT -j DROP",
    ]
    assert not any("203.0.113" in rule or "10.0.0" in rule for rule in rules["v6"])
    apart = firewall.Firewall(Machine(real, True), given(docker_allow=[{"port": "443"}]), HERE).state.docker_rules
    assert [rule for rule in apart["v4"] if "ctorig" in rule] == [
        "-p tcp -m conntrack --ctstate DNAT --ctorigdstport 443 -j RETURN"
    ]


def test_docker_that_filters_otherwise_is_told(real):
    host = Machine(real, True, files={firewall_docker.CONFIG: '{"firewall-backend": "nftables"}'})
    change, changes, _told = planned(host)
    assert changes.changed
    with pytest.raises(Refused, match="firewall-backend"):
        change.preflight()
    host = Machine(real, True, files={firewall_docker.CONFIG: '{"iptables": false}'})
    assert planned(host)[0].extra()["docker"] == {"state": "running", "backend": "none", "guarded": False}
    host = Machine(real, True, files={firewall_docker.CONFIG: "{"})
    with pytest.raises(ChangeError, match="daemon.json"):
        planned(host)


def test_docker_from_elsewhere_is_not_taken_for_none(real):
    host = Machine(real, True, docker={}, files={"/run/docker.sock": ""})
    with pytest.raises(Refused, match="not as docker.service"):
        planned(host)[0].preflight()
    planned(host, docker_user=False)[0].preflight()


def test_tables_of_others_that_are_not_understood_hinder_nothing(real):
    host = Machine(real)
    host.commands["nft"] = "rubbish"
    change, changes, _told = planned(host)
    change.verify()
    assert not changes.changed


def test_docker_that_is_stopped_is_prepared_for(real):
    host = Machine(real, docker=OFF)
    change, changes, told = planned(host)
    assert changes.changed and told == ["%s is enabled" % firewall_docker.UNIT]
    host.ran = []
    change.enforce()
    assert ("systemctl", "enable", firewall_docker.UNIT) in [argv for argv, _stdin, _env in host.ran]
    assert not any("restart" in argv for argv, _stdin, _env in host.ran)


def test_the_guard_of_docker_can_be_taken_away(real):
    host = Machine(real, True)
    change, changes, told = planned(host, docker_user=False)
    assert changes.changed and "the chain NSELF-PROD-DOCKER is removed" in told
    host.ran = []
    change.enforce()
    batch = next(text for argv, text, _env in host.ran if argv[0] == "iptables-restore")
    assert batch.splitlines()[1:4] == [
        "-D DOCKER-USER -j NSELF-PROD-DOCKER",
        "-F NSELF-PROD-DOCKER",
        "-X NSELF-PROD-DOCKER",
    ]


@pytest.mark.parametrize("there", [0, 1, 2])
def test_the_script_puts_our_chain_first_once(tmp_path, there):
    """The script itself, with tools that write down what they are told."""
    log = tmp_path / "log"
    (tmp_path / "iptables").write_text(
        '#!/bin/sh\ncase "$*" in *-S*) yes -- \'-A DOCKER-USER -j NSELF-PROD-DOCKER\' | head -n %d;; *-L*) exit %d;; *) echo "$*" >>%s;; esac\n'
        % (there, 0 if there else 1, log)
    )
    (tmp_path / "iptables-restore").write_text("#!/bin/sh\ncat >>%s\n" % log)
    for name in ("ip6tables", "ip6tables-restore"):
        (tmp_path / name).write_text("#!/bin/sh\ncat >/dev/null\n")
    for tool in tmp_path.iterdir():
        tool.chmod(0o755)
    script = firewall_docker.script({"v4": ["-j ONE"], "v6": ["-j ONE"]})
    subprocess.run(["sh", "-c", script], env={"PATH": "%s:/usr/bin:/bin" % tmp_path}, check=True)
    lines = log.read_text().splitlines()
    assert lines[: 1 - bool(there)] == ([] if there else ["-w 10 -N DOCKER-USER"])
    jump = "DOCKER-USER -j NSELF-PROD-DOCKER"
    assert lines[-(5 + there) :] == (
        ["*filter", ":NSELF-PROD-DOCKER - [0:0]", "-A NSELF-PROD-DOCKER -j ONE"]
        + ["-D " + jump] * there
        + ["-I DOCKER-USER 1 -j NSELF-PROD-DOCKER", "COMMIT"]
    )


# -- the role --------------------------------------------------------------------------------------------------------


def test_the_role_and_the_module_have_the_same_defaults(root):
    options = yaml.safe_load((root / "roles/ufw/meta/argument_specs.yml").read_text())["argument_specs"]["main"][
        "options"
    ]
    defaults = yaml.safe_load((root / "roles/ufw/defaults/main.yml").read_text())
    assert {name: option["default"] for name, option in options.items()} == defaults
    for name, option in firewall.spec().items():
        mine = [{"port": each["port"]} for each in option["default"]] if name == "allow" else option["default"]
        theirs = defaults["ufw_" + name]
        assert mine == ([{"port": each["port"]} for each in theirs] if name == "allow" else theirs)
