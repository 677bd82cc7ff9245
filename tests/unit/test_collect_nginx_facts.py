# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a parsed configuration to what judges see of it, and from the engine's networks to who shares them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import networks, nginx_facts
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import sites_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Nginx
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import load
from fake_host import FakeHost

CONFIG = """
http {
    limit_req_zone $binary_remote_addr zone=auth:1m rate=10r/m;
    add_header Strict-Transport-Security max-age=1 always;
    add_header X-Api-Key hunter2;
    server { listen 80; return 301 https://$host; }
    server { listen 443 ssl; server_name auth.example.com;
        limit_req zone=auth;
        location / { proxy_pass http://my-login:4000; proxy_set_header X-Secret hunter2; } }
    server { listen 443 ssl; server_name auth.example.com; location / { proxy_pass http://10.0.0.7; } }
    server { listen 443 ssl; server_name any.example.com; location / { proxy_pass http://$http_host; } }
    server { listen 443 ssl; server_name odd.example.com; client_body_timeout $x;
        location ~ (a+)+$ { proxy_pass http://my-login:4000; } }
}
"""


CONTAINERS = [{"Id": "1", "NetworkSettings": {"Networks": {"app": {"Aliases": ["Login-API"]}, "x": {"Aliases": None}}}}]


def units(**change):
    login = {"service": "my-login", "name": "app_auth", "role": "auth", "addresses": ["172.18.0.4"], "id": "1"}
    other = {"service": "db", "name": "app_db", "role": "postgres", "addresses": ["10.0.0.7"], "id": "2"}
    return [dict(login, **change), other]


def facts(config=CONFIG, state="found", changed="", known=None, running=None):
    tree = load(config, "/etc/nginx/nginx.conf")
    found = [Nginx("nginx", "/r", sites_of(tree), {}, tree, changed)] if running is None else running
    project = SimpleNamespace(state=state, units=units() if known is None else known)
    world = {"project": project, "nginx": found, "docker_containers": CONTAINERS}
    out = nginx_facts.collect(FakeHost(), lambda name: world[name])
    assert "hunter2" not in repr(out)
    return out


def test_sites_entries_and_headers():
    found = facts()
    assert (found["state"], found["stale"]) == ("running", "")
    assert [item["site"] for item in found["sites"]] == [
        "default:80",
        "auth.example.com:443",
        "auth.example.com:443 (nginx.conf line 10)",
        "any.example.com:443",
        "odd.example.com:443",
    ]
    first, odd = found["entries"]
    assert (first["site"], first["role"], len(first["paths"])) == ("auth.example.com:443", "auth", 2)
    assert first["paths"][0]["limits"][0]["per_minute"] == 10.0 and first["paths"][0]["status"] == "503"
    assert isinstance(odd["paths"], Unread) and isinstance(found["sites"][-1]["body"], Unread)
    assert found["unclear"] == ["any.example.com:443"]
    assert [(item["site"], item["location"], item["answer"]) for item in found["headers"][:2]] == [
        ("default:80", "", "301"),
        ("auth.example.com:443", "/", ""),
    ]
    # Others may hold anything.
    assert found["headers"][1]["headers"] == {"strict-transport-security": "max-age=1"}
    assert found["headers"][1]["always"] == {"strict-transport-security": True}


def test_a_container_goes_by_what_its_networks_call_it():
    found = facts("http { server { location / { proxy_pass http://login-api:4000; } } }")
    assert found["entries"][0]["role"] == "auth"


def test_what_may_lead_to_sign_in_is_unclear():
    found = facts("http { server { error_page 404 = @late; location @late { proxy_pass http://my-login:4000; } } }")
    assert found["entries"] == [] and found["unclear"] == ["default:80"]


def test_states():
    assert facts(state="none")["state"] == "none"
    assert facts(running=[])["state"] == "absent"
    assert facts(changed="/x")["stale"] == "/x"
    assert isinstance(facts(changed=Unread("error", "x"))["stale"], Unread)


def test_without_units_the_names_of_nself_are_known():
    found = facts("http { server { location / { proxy_pass http://auth:4000; } } }", known=Unread("error", "x"))
    assert found["entries"][0]["role"] == "auth"


# -- networks ------------------------------------------------------------------------------------------------------------


HERE = SimpleNamespace(project="app", directory="/opt/nself")


def container(identity, name, *nets, running=True, mode="app"):
    entries = {net: {"NetworkID": "id-" + net} for net in nets}
    return {
        "Id": identity,
        "Name": "/" + name,
        "State": {"Running": running},
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": entries},
    }


def unit(identity, role, **change):
    out = {"service": role, "role": role, "id": identity, "level": "running", "host_namespaces": []}
    return dict(out, **change)


def inspected(*answers):
    return lambda argv, stdin, env: Completed(
        0, json.dumps([{"Id": "id-" + name, "Internal": internal} for name, internal in answers]), ""
    )


def look(containers, found, command=None, state="found"):
    host = FakeHost(commands={"docker": command or inspected(("app", False), ("bridge", False))})
    known = {"docker_containers": containers, "project": SimpleNamespace(state=state, units=found, found=HERE)}
    known["docker_networks"] = None

    def need(name):
        return networks.collect_inspected(host, need) if name == "docker_networks" else known[name]

    return networks.collect(host, need)["services"], host


def test_one_call_tells_who_shares_the_data_services_networks():
    containers = [
        container("1", "app_db", "app"),
        container("2", "app_web", "app"),
        container("3", "shop", "app"),
        container("4", "old", "app", running=False),
        container("5", "app_cache", "bridge"),
        container("6", "other", "elsewhere"),
    ]
    found, host = look(containers, [unit("1", "postgres"), unit("2", "nginx"), unit("5", "redis")])
    assert found[0]["networks"] == [{"name": "app", "internal": False, "default": False, "strangers": ["shop"]}]
    assert [item["service"] for item in found] == ["postgres", "redis"]
    assert found[1]["networks"][0]["default"] is True
    assert [argv[:3] for argv, _stdin, _env in host.ran] == [("docker", "network", "inspect")]


def test_a_container_of_ones_own_that_keeps_restarting_is_no_stranger():
    restarting = container("2", "app_web", "app")
    restarting["State"]["Restarting"] = True
    restarting["Config"] = {"Labels": {"com.docker.compose.project": "app"}}
    found, _host = look([container("1", "app_db", "app"), restarting], [unit("1", "postgres")])
    assert found[0]["networks"][0]["strangers"] == []


def test_the_hosts_network_and_another_containers():
    containers = [
        container("1", "db", "host", mode="host"),
        container("2", "cache", mode="container:3"),
        container("3", "x", "app"),
    ]
    found, _host = look(containers, [unit("1", "postgres", host_namespaces=["network"]), unit("2", "redis")])
    assert found[0]["host"] is True and found[0]["networks"] == []
    assert found[1]["networks"][0]["strangers"] == ["x"]
    found, _host = look([container("2", "cache", mode="container:9")], [unit("2", "redis")])
    assert isinstance(found[0]["networks"], Unread)


@pytest.mark.parametrize(
    "command",
    [inspected(), Completed(1, "", "no"), Completed(0, "{}", ""), HostError("timeout", "docker", "no answer")],
)
def test_what_inspect_does_not_say_is_unread(command):
    found, _host = look([container("1", "db", "app")], [unit("1", "postgres")], command)
    assert isinstance(found[0]["networks"][0]["internal"], Unread)
    assert found[0]["networks"][0]["strangers"] == []


def test_without_a_deployment_or_its_units():
    assert look([], [], state="none")[0] == []
    assert look([container("1", "db")], [])[0] == []
    with pytest.raises(Missing):
        look([], Unread("needs_root", "denied"))
