# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Projects for the part nginx, and the configuration that nginx would read after it."""

import fnmatch
import pathlib
import posixpath

from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.nginx import OURS, Nginx
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import http_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.roles import role_of
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse import nginx as parse
from fake_host import FakeHost
from fake_stack import FakeStack

PROJECTS = pathlib.Path(__file__).resolve().parents[1] / "hosts/deployment"
MOUNTS = ("nginx.conf", "conf.d", "includes", "sites")
DEFAULTS = {name: entry.get("default") for name, entry in Nginx.SPEC.items()}
SERVICES = "hasura auth minio functions prometheus alertmanager grafana mailpit mlflow nself-admin meilisearch".split()
SITE = "server { listen 443 ssl; server_name %s; ssl_certificate x; %s location / { proxy_pass http://%s; } }\n"


def stack(project="fresh", extra=None, services=None, answers=None, running=True, which=(), **more):
    """Return a stack of one of the projects. extra: {path below nginx/: text} put over it; services: {name: keys} put over its own."""
    folder = PROJECTS / project / "nginx"
    files = {"nginx/%s" % path.relative_to(folder): path.read_text() for path in folder.rglob("*") if path.is_file()}
    files.update({"nginx/" + name: text for name, text in (extra or {}).items()})
    volumes = [{"type": "bind", "source": "/srv/app/nginx/" + name, "target": "/etc/nginx/" + name} for name in MOUNTS]
    model = {name: {"image": name, "environment": {}} for name in SERVICES}
    model["nginx"] = {"image": "nginx:alpine", "volumes": volumes, "ports": [{"target": 443, "published": "443"}]}
    for name, keys in (services or {}).items():
        model.setdefault(name, {"image": name}).update(keys)
    host = FakeHost({"/srv/app/" + name: text for name, text in files.items()}, commands=dict.fromkeys(which))
    answers = {("nginx", "id"): Completed(0, "101\n", ""), **(answers or {})}
    containers = {"nginx": {"Id": "1"}} if running else {}
    return FakeStack(services=model, host=host, answers=answers, containers=containers, **more)


def part(deployment, secrets=None, **options):
    return Nginx(deployment, dict(DEFAULTS, **options), secrets or {})


def planned(deployment, secrets=None, **options):
    return part(deployment, secrets, **options).plan()


def text_of(plan, name):
    return next(item.text for item in plan.files if item.path == OURS + "/" + name)


def copies(plan):
    return {item.path[len(OURS + "/files/") :] for item in plan.files if item.path.startswith(OURS + "/files/")}


def effective(deployment, plan):
    """Return the configuration that nginx would read with the plan's files in their places."""
    there = {}
    for path, text in deployment.host.files.items():
        there[path.replace("/srv/app/nginx", "/etc/nginx")] = text
    written = {item.path: item.text for item in plan.files}
    for mount in plan.fragment["services"]["nginx"]["volumes"]:
        source, target = mount.split(":")[:2]
        for path, text in written.items():
            if path == source[2:] or path.startswith(source[2:] + "/"):
                there[target + path[len(source[2:]) :]] = text

    def include(pattern):
        pattern = posixpath.join("/etc/nginx", pattern)
        same = [path for path in sorted(there) if path.count("/") == pattern.count("/")]
        return [(path, there[path]) for path in same if fnmatch.fnmatchcase(path, pattern)]

    return parse.load(there["/etc/nginx/nginx.conf"], "/etc/nginx/nginx.conf", include)


def role(host):
    return role_of(host, "")


def guards(config):
    """Return {server name: what has to be shown there, or the map that says so}."""
    return {
        item.name: item.first
        for block in http_of(config)
        if block.name == "map" and block.args[-1] == "$nself_prod_guard"
        for item in block.block
    }
