# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an outsider, a neighbour, a container and the operator get while a host is locked down, and afterwards. In this order."""

from __future__ import annotations

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import lab as labs
import pytest
import testinfra.host
from testinfra.utils.ansible_runner import AnsibleRunner

NAMES = ("plain12", "plain13", "docker13")
DOCKER = "docker13"
HERE = pathlib.Path(__file__).parent
PORTS = [*range(1, 1025), 2375, 5432, 6379, 8080, 9000]
OPEN = {"plain12": {"22", "80"}, "plain13": {"22", "80"}, DOCKER: {"22", "80", "8080"}}
PREFIX = "nself-prod-%s-" % os.environ.get("NSELF_PROD_CHECKOUT", "local")


def lockdown(*arguments):
    """Run the playbook; return the process and what its report says of each host."""
    report = labs.EPHEMERAL / "lockdown.json"
    report.unlink(missing_ok=True)
    environment = dict(os.environ, ANSIBLE_CONFIG=str(labs.EPHEMERAL / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    words = ["ansible-playbook", str(labs.PROJECT / "playbooks/lockdown.yml"), "-i", str(labs.INVENTORY), *arguments]
    done = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "Traceback" not in done.stdout
    hosts = {host["host"]: host for host in json.loads(report.read_text())["hosts"]} if report.exists() else {}
    print(done.stdout)
    return done, hosts


def lift(*arguments):
    done, hosts = lockdown("-e", "nself_lockdown_state=absent", *arguments)
    assert done.returncode == 0
    return hosts


def changed(done):
    return [int(count) for count in re.findall(r"changed=(\d+)", done.stdout)]


def scanned(address, ports=PORTS):
    """What answers at that address, seen from the controller."""
    done = subprocess.run(
        [sys.executable, HERE / "scan.py", address, ",".join(map(str, ports))],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def scanned_by_a_neighbour(addresses):
    """The same from a container beside the hosts, for several of them."""
    script = (HERE / "scan.py").read_text().split("if __name__")[0]
    script += "async def main():\n    return await asyncio.gather(*(scan(address, %r) for address in %r))\n" % (
        PORTS,
        list(addresses),
    )
    script += "print(json.dumps(asyncio.run(main())))\n"
    words = [
        "docker",
        "run",
        "--rm",
        "--interactive",
        "--name",
        PREFIX + "neighbour",
        "nself-prod-test/debian:13",
        "python3",
        "-",
    ]
    return json.loads(subprocess.run(words, input=script, capture_output=True, text=True, check=True).stdout)


def from_everywhere():
    """{name: (answers to the controller, to the controller over IPv6, to the neighbour)}"""
    hosts = [labs.lab(name) for name in NAMES]
    with ThreadPoolExecutor() as pool:
        neighbour = pool.submit(scanned_by_a_neighbour, [host.address for host in hosts])
        four = list(pool.map(lambda host: scanned(host.address), hosts))
        six = list(pool.map(lambda host: scanned(link_local(host), [22, 80, 8080]), hosts))
    return {name: (four[at], six[at], neighbour.result()[at]) for at, name in enumerate(NAMES)}


def link_local(host):
    """The host's IPv6 address on the wire between it and the controller."""
    address = re.search(r"inet6 (fe80:\S+)/", host.sh("ip -6 addr show eth0")).group(1)
    bridge = next(
        item["dev"]
        for item in json.loads(
            subprocess.run(["ip", "-j", "route", "get", host.address], capture_output=True, check=True).stdout
        )
    )
    return "%s%%%s" % (address, bridge)


def only_ssh_for_the_controller():
    assert from_everywhere() == {name: ({"22": "open"}, {}, {}) for name in NAMES}


def everything_answers():
    for name, (four, six, neighbour) in from_everywhere().items():
        assert set(four) == OPEN[name] | {"9999/udp"}, name
        assert {"22", "80"} <= set(six), name
        assert set(neighbour) == OPEN[name], name


def rules(host, folder):
    host.sh("/usr/local/sbin/testbed.sh rules %s" % folder)
    return {name: host.sh("cat %s/%s" % (folder, name)) for name in ("iptables", "ip6tables", "ufw", "nft")}


def before(host):
    return {name: host.sh("cat /root/before/%s" % name) for name in ("iptables", "ip6tables", "ufw", "nft")}


def running():
    return set(labs.lab(DOCKER).sh("docker ps --format '{{.Names}}'").split())


def says_again(connection, text):
    """Whether what is sent comes back."""
    try:
        connection.sendall(text)
        return connection.recv(64) == text
    except OSError:
        return False


class Target:
    """A port of the controller, to see who still gets out."""

    def __init__(self, host):
        route = json.loads(
            subprocess.run(["ip", "-j", "route", "get", host.address], capture_output=True, check=True).stdout
        )
        self.address = route[0]["prefsrc"]
        self.server = socket.create_server((self.address, 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.hang_up, daemon=True).start()

    def hang_up(self):
        while True:
            self.server.accept()[0].close()

    def reached_by(self, host, how):
        begun = time.monotonic()
        answer = host.sh(how.format(self=self)).strip()
        assert answer in ("out", "shut"), answer
        return answer == "out", time.monotonic() - begun


FROM_HOST = "timeout 5 bash -c '</dev/tcp/{self.address}/{self.port}' 2>/dev/null && echo out || echo shut"
NC = "docker exec -i incident-hasura-1 /bin/busybox timeout 5 /bin/busybox nc"
FROM_CONTAINER = NC + " {self.address} {self.port} </dev/null >/dev/null 2>&1 && echo out || echo shut"
BETWEEN = "echo hello | " + NC + " postgres 5432"

TRACES = "find /etc /var/lib/nself-prod -name '*lockdown*'"


# -- locked by the converge step ---------------------------------------------------------------------------------------------------------


def test_nothing_but_ssh_from_the_controller_answers():
    only_ssh_for_the_controller()


@pytest.mark.parametrize("name", NAMES)
def test_no_other_rule_was_touched(name):
    host = labs.lab(name)
    now, then = rules(host, "/root/now"), before(host)
    assert {key: now[key] for key in ("iptables", "ip6tables", "ufw")} == {
        key: then[key] for key in ("iptables", "ip6tables", "ufw")
    }
    assert now["nft"] != then["nft"]


def test_a_new_login_and_sudo_are_as_quick_as_ever():
    for name in NAMES:
        begun = time.monotonic()
        assert labs.lab(name).lets_in("deploy", command="sudo -n true")
        assert time.monotonic() - begun < 3


def test_nothing_gets_out_and_gives_up_at_once():
    host = labs.lab(DOCKER)
    target = Target(host)
    for how in (FROM_HOST, FROM_CONTAINER):
        out, seconds = target.reached_by(host, how)
        assert not out and seconds < 3, how
    begun = time.monotonic()
    assert host.sh("getent hosts example.org || echo none").strip() == "none"
    assert time.monotonic() - begun < 3


def test_the_stack_goes_on_inside():
    host = labs.lab(DOCKER)
    assert running() == {"incident-postgres-1", "incident-hasura-1", "incident-nginx-1", "elsewhere"}
    assert host.sh(BETWEEN).strip() == "hello"
    assert says_again_on_the_host(host, 8080)


def says_again_on_the_host(host, port):
    return host.sh("echo hello | timeout 3 busybox nc -w 2 127.0.0.1 %d" % port).strip() == "hello"


def test_the_record_tells_who_did_what():
    record = json.loads(labs.lab(DOCKER).sh("cat /var/lib/nself-prod/lockdown.json"))
    target = Target(labs.lab(DOCKER))
    assert record["by"] == "deploy from %s" % target.address
    assert record["sources"] == [target.address + "/32"] and record["ports"] == [22]
    assert len([name for name in record["inside"] if re.fullmatch("docker0|br-[0-9a-f]{12}", name)]) == 2


# -- lifted ----------------------------------------------------------------------------------------------------------------------------


def test_lifting_brings_back_exactly_what_was():
    hosts = lift()
    assert {host["outcome"] for host in hosts.values()} == {"lifted"}
    for name in NAMES:
        host = labs.lab(name)
        assert rules(host, "/root/after") == before(host)
        assert host.sh(TRACES) == ""
        assert host.sh("systemctl is-active nself-prod-lockdown.service").strip() == "inactive"
    everything_answers()
    host = labs.lab(DOCKER)
    target = Target(host)
    assert all(target.reached_by(host, how)[0] for how in (FROM_HOST, FROM_CONTAINER))


def test_lifting_twice_changes_nothing():
    done, hosts = lockdown("-e", "nself_lockdown_state=absent")
    assert done.returncode == 0 and changed(done) == [0, 0, 0]
    assert {host["outcome"] for host in hosts.values()} == {"unchanged"}


def test_sources_without_the_operator_are_refused_and_the_others_are_locked(tmp_path):
    lines = {"plain12": "203.0.113.9"}
    variables = tmp_path / "host_vars"
    variables.mkdir()
    for name, source in lines.items():
        (variables / (name + ".yml")).write_text("nself_lockdown_sources: %s\n" % source)
    extra = tmp_path / "hosts.yml"
    extra.write_text("all: {hosts: {plain12: {}}}\n")
    done, hosts = lockdown("-i", str(extra), "--limit", "plain12,plain13")
    assert done.returncode == 2
    assert {name: host["outcome"] for name, host in hosts.items()} == {"plain12": "refused", "plain13": "locked"}
    assert "203.0.113.9" in hosts["plain12"]["message"] and "nself_lockdown_sources" in hosts["plain12"]["message"]
    refused = labs.lab("plain12")
    assert rules(refused, "/root/after") == before(refused)
    assert refused.sh(TRACES) == ""
    assert set(scanned(labs.lab("plain13").address, [22, 80])) == {"22"}


# -- locked while somebody is connected, then over a reboot ------------------------------------------------------------------------------


def test_open_connections_are_cut():
    host = labs.lab(DOCKER)
    connections = [socket.create_connection((host.address, port), timeout=3) for port in (8080, 80)]
    silent = socket.create_connection((labs.lab("plain12").address, 80), timeout=3)
    assert all(says_again(connection, b"one\n") for connection in [*connections, silent])
    _done, hosts = lockdown()
    assert {name: found["outcome"] for name, found in hosts.items()} == {
        "plain12": "locked",
        "plain13": "unchanged",
        DOCKER: "locked",
    }
    assert not any(says_again(connection, b"two\n") for connection in connections)
    assert not any(says_again(connection, b"three\n") for connection in connections)
    # Nobody said a word over this one, and it does not wait for the end of the lockdown.
    assert ":80 " not in labs.lab("plain12").sh("ss -Htn state established")
    for connection in [*connections, silent]:
        connection.close()


def test_a_restart_of_the_firewall_does_not_lift_it():
    host = labs.lab("plain13")
    for command in (
        "nft flush ruleset; systemctl restart nftables",
        "systemctl reload nftables",
        "systemctl stop nftables",
        "ufw reload",
    ):
        host.sh(command)
        assert set(scanned(host.address, [22, 80])) == {"22"}, command
    # What these commands took away is no part of the lockdown.
    host.sh("systemctl restart ufw")


def test_it_survives_a_reboot():
    begun = time.monotonic()
    host = reboot(DOCKER)
    while not host.lets_in("deploy", command="sudo -n true"):
        assert time.monotonic() - begun < 60
        time.sleep(0.5)
    assert scanned(host.address) == {"22": "open"}
    assert scanned(link_local(host), [22, 80, 8080]) == {}
    assert scanned_by_a_neighbour([host.address]) == [{}]
    # And not only because nothing runs.
    for _second in range(60):
        if len(running()) == 4 and says_again_on_the_host(host, 8080):
            break
        time.sleep(1)
    assert says_again_on_the_host(host, 8080) and scanned(host.address) == {"22": "open"}


def reboot(name):
    container = PREFIX + name
    old = labs.lab(name).address
    # As a server is shut down, so that what is stopped then is stopped here too.
    for words in (["kill", "--signal", "SIGRTMIN+3"], ["wait"], ["start"]):
        subprocess.run(["docker", *words, container], check=True, capture_output=True)
    shown = subprocess.run(
        ["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", container],
        check=True,
        capture_output=True,
        text=True,
    )
    new = shown.stdout.strip()
    if new != old:
        # Another container has got the address meanwhile.
        for path in [
            labs.EPHEMERAL / "known_hosts",
            labs.EPHEMERAL / "instance_config.yml",
            *labs.INVENTORY.rglob("*.yml"),
        ]:
            path.write_text(re.sub(r"%s\b" % re.escape(old), new, path.read_text()))
    labs.lab.cache_clear()
    testinfra.host.Host._host_cache.clear()
    AnsibleRunner._runners.clear()
    return labs.lab(name)


# -- with the stack --------------------------------------------------------------------------------------------------------------------


def test_the_stack_is_stopped_and_exactly_that_is_started_again():
    done, hosts = lockdown("-e", "nself_lockdown_stop=true")
    assert done.returncode == 0
    assert hosts[DOCKER]["containers"] == ["incident-hasura-1", "incident-nginx-1", "incident-postgres-1"]
    assert running() == {"elsewhere"}
    done, hosts = lockdown("-e", "nself_lockdown_stop=true")
    assert changed(done) == [0, 0, 0]
    hosts = lift()
    assert hosts[DOCKER]["containers"] == ["incident-hasura-1", "incident-nginx-1", "incident-postgres-1"]
    assert running() == {"incident-postgres-1", "incident-hasura-1", "incident-nginx-1", "elsewhere"}
    assert labs.lab(DOCKER).sh(TRACES) == ""
    everything_answers()
