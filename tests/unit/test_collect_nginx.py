# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a running nginx to its configuration: the container's files, and whether they are still what runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import nginx
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.deployment.doors import doors_of
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo, HostError, NotFound
from fake_host import FakeHost

ROOT = "/proc/70/root"
MAIN = "http { include conf.d/*.conf; include /etc/nginx/one.conf; }"
BOOT = 1000000


def unit(**change):
    out = {
        "service": "nginx",
        "pid": "70",
        "pids": ["70", "71", "72"],
        "argv": ["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"],
        "ports": [
            {"ip": "0.0.0.0", "port": 8443, "target": "443", "proto": "tcp"},
            {"ip": "::", "port": 8443, "target": "443", "proto": "tcp"},
            {"ip": "0.0.0.0", "port": 53, "target": "443", "proto": "udp"},
        ],
        "addresses": ["172.18.0.2"],
    }
    return dict(out, **change)


def stat_line(ticks):
    return "71 (nginx) ) S " + " ".join(["0"] * 18) + " %d 0 0\n" % ticks


def machine(change=None, title="nginx -g daemon off;", **more):
    files = {
        "/proc/stat": "cpu 1 2\nbtime %d\n" % BOOT,
        "/proc/70/cmdline": "nginx: master process " + title,
        "/proc/71/cmdline": "nginx: worker process",
        "/proc/72/cmdline": "nginx: worker process is shutting down",
        "/proc/71/stat": stat_line(50000),
        "/proc/72/stat": stat_line(100),
        ROOT + "/etc/nginx/nginx.conf": MAIN,
        ROOT + "/etc/nginx/conf.d/a.conf": "server { listen 443 ssl; }",
        ROOT + "/etc/nginx/conf.d/.hidden.conf": "server { listen 1; }",
        ROOT + "/etc/nginx/conf.d/b.txt": "}",
        ROOT + "/etc/nginx/one.conf": "server { listen 80; }",
    }
    files.update(change or {})
    return FakeHost({name: text for name, text in files.items() if text is not None}, **more)


def read(host, *units):
    def need(name):
        assert name == "project"
        return SimpleNamespace(running=lambda role: list(units or [unit()]))

    return nginx.collect(host, need)


def ports(found):
    return [listen.port for site in found.sites for listen in site.listens]


def test_it_is_read_through_the_containers_root():
    (found,) = read(machine())
    assert (found.service, found.root, found.changed) == ("nginx", ROOT, "")
    assert ports(found) == [443, 80]
    assert found.doors == {443: ("127.0.0.1", 8443), 80: ("172.18.0.2", 80)}


def test_no_nginx_is_an_empty_list():
    assert nginx.collect(machine(), lambda name: SimpleNamespace(running=lambda role: [])) == []


@pytest.mark.parametrize(
    "title",
    [
        "nginx -c /opt/x.conf",
        "/usr/sbin/nginx -g daemon off; -c /opt/x.conf",
        "nginx -p /opt -c x.conf",
        "nginx -c/opt/x.conf",
    ],
)
def test_another_configuration_file(title):
    assert ports(read(machine({ROOT + "/opt/x.conf": "http { server { listen 8080; } }"}, title))[0]) == [8080]


def test_without_a_title_the_command_line_counts():
    host = machine({"/proc/70/cmdline": None, ROOT + "/opt/x.conf": "http { server { listen 8080; } }"})
    assert ports(read(host, unit(argv=["nginx", "-c", "/opt/x.conf"]))[0]) == [8080]


def test_a_link_to_an_absolute_path_stays_within_the_container():
    links = {ROOT + "/etc/nginx/conf.d/a.conf": "/srv/a.conf", ROOT + "/srv": "/data/./srv"}
    change = {ROOT + "/etc/nginx/conf.d/a.conf": None, ROOT + "/data/srv/a.conf": "server { listen 7; }"}
    change["/srv/a.conf"] = "server { listen 666; }"
    assert ports(read(machine(change, links=links))[0]) == [7, 80]


def test_links_in_a_circle_are_unread():
    links = {ROOT + "/etc/nginx/one.conf": "/etc/nginx/one.conf"}
    with pytest.raises(HostError):
        read(machine({ROOT + "/etc/nginx/one.conf": None}, links=links))


def test_a_pattern_may_find_nothing_but_a_named_file_must_exist():
    assert ports(
        read(machine({ROOT + "/etc/nginx/conf.d/" + name: None for name in ("a.conf", ".hidden.conf", "b.txt")}))[0]
    )
    with pytest.raises(NotFound):
        read(machine({ROOT + "/etc/nginx/one.conf": None}))


def test_what_nginx_would_refuse_is_unread():
    with pytest.raises(Missing) as caught:
        read(machine({ROOT + "/etc/nginx/one.conf": "server { secret"}))
    assert caught.value.reason == "parse_error" and "secret" not in caught.value.detail


def test_files_of_a_container_that_may_not_be_read():
    with pytest.raises(HostError):
        read(machine({ROOT + "/etc/nginx/nginx.conf": HostError("needs_root", "x", "permission denied")}))


STARTED = BOOT + 500


@pytest.mark.parametrize(
    "path, mtime, ctime, changed",
    [
        ("/etc/nginx/one.conf", STARTED - 5, STARTED - 5, False),
        ("/etc/nginx/one.conf", STARTED + 5, STARTED + 5, True),
        # a copy that kept its time, as cp -p makes one
        ("/etc/nginx/one.conf", 0, STARTED + 5, True),
        ("/etc/nginx/nginx.conf", STARTED + 5, STARTED + 5, True),
        ("/etc/nginx/conf.d/", STARTED + 5, STARTED + 5, True),
    ],
)
def test_a_file_that_changed_since_the_last_reload_is_told(path, mtime, ctime, changed):
    kind = "dir" if path.endswith("/") else "file"
    stats = {ROOT + path.rstrip("/"): FileInfo(0o644, 0, 0, 1, mtime, kind, ctime)}
    assert read(machine(stats=stats))[0].changed == (path if changed else "")


@pytest.mark.parametrize(
    "change",
    [
        {"/proc/71/cmdline": None},
        {"/proc/71/stat": None},
        {"/proc/71/stat": "rubbish"},
        {"/proc/stat": "cpu"},
        {"/proc/71/stat": stat_line(10**14)},
    ],
)
def test_an_unknown_start_is_unread(change):
    assert isinstance(read(machine(change))[0].changed, Unread)


def test_doors():
    assert doors_of(unit(), 443) == [("127.0.0.1", 8443), ("::1", 8443), ("172.18.0.2", 443)]
    assert doors_of(unit(ports=[], addresses=[]), 443) == []
    assert doors_of(unit(ports=[], addresses=[], host_namespaces=["network"]), 443) == [("127.0.0.1", 443)]
