# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker engine itself: who may command it, and how it is set up."""

from __future__ import annotations

from typing import Any, List

from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

RESTARTS = ("docker",)


def _running(facts: Any) -> None:
    if facts.read("docker.state") != "present":
        raise NotApplicable("no Docker engine runs on this host")


@check(
    "INFRA-29",
    "docker-api-guarded",
    "Only root commands the Docker engine",
    Severity.CRITICAL,
    "Whoever reaches the engine's API is root on the host, whatever their account says.",
    "arguments of the running dockerd, daemon.json, the socket's mode and owner, members of the group docker",
    "no TCP without client certificates, socket 0660 root:docker, group members only as the policy allows",
    Fix(
        "docker_daemon",
        "Remove tcp:// from dockerd's hosts (or set tlsverify), and take accounts out of the group with `gpasswd -d USER docker`.",
        ("docker_daemon_group_users",),
        RESTARTS,
    ),
    refs=("D:2.7",),
)
def api_guarded(facts: Any, policy: Any) -> Verdict:
    _running(facts)
    found = each(("api",), str, lambda _name: _api(facts))
    found += each(("socket",), str, lambda _name: _socket(facts))
    found += each(("group docker",), str, lambda _name: _group(facts, policy["docker_group_users"]))
    return summed("no open API, socket 0660 root:docker, no members", found)


def _api(facts: Any) -> Any:
    arguments, config = _arguments(facts), facts.read("docker.config")
    hosts = list(config.get("hosts") or []) + _host_arguments(arguments)
    tcp = [host for host in hosts if host.startswith("tcp:")]
    verified = config.get("tlsverify") is True or any(item in ("--tlsverify", "--tlsverify=true") for item in arguments)
    return not tcp or verified, "%s %s client certificates" % (
        ", ".join(tcp),
        "with" if verified else "without",
    ) if tcp else "no TCP"


def _arguments(facts: Any) -> List[str]:
    arguments = facts.read("docker.arguments")
    if arguments is None:
        raise Missing(
            "docker.arguments",
            Reason.ERROR,
            "no process named dockerd is seen here: the engine is rootless or elsewhere",
        )
    return list(arguments)


def _host_arguments(arguments: List[str]) -> List[str]:
    """Return the addresses of -H and --host, in both ways of writing them."""
    out = []
    for index, item in enumerate(arguments):
        if item in ("-H", "--host"):
            out += arguments[index + 1 : index + 2]
        elif item.startswith("--host=") or item.startswith("-H="):
            out.append(item.split("=", 1)[1])
        elif item.startswith("-H"):
            out.append(item[2:])
    return out


def _socket(facts: Any) -> Any:
    mode, uid, gid = (facts.read("docker.socket." + key) for key in ("mode", "uid", "gid"))
    group = facts.read("docker.group.gid")
    bad = ["mode %04o" % mode] if mode & 0o007 else []
    if uid != 0:
        bad.append("owned by uid %d" % uid)
    if gid not in (0, group):
        bad.append("group %d" % gid)
    return not bad, ", ".join(bad) or "%04o root:docker" % mode


def _group(facts: Any, allowed: Any) -> Any:
    extra = [name for name in facts.read("docker.group.members") if name not in allowed]
    return not extra, "%s %s root through it" % (
        ", ".join(extra),
        "is" if len(extra) == 1 else "are",
    ) if extra else "no other members"


@check(
    "INFRA-30",
    "docker-daemon-hardened",
    "Docker engine is set up for production",
    Severity.RECOMMENDATION,
    "Without live-restore an engine update stops the stack; without log limits containers fill the disk; an insecure registry may be anybody.",
    "docker info of the running engine, and the log options of dockerd's arguments and daemon.json",
    "live-restore on, json-file logs with a max-size, no insecure registry",
    Fix(
        "docker_daemon",
        'Add {"live-restore": true, "log-opts": {"max-size": "10m", "max-file": "3"}} to /etc/docker/daemon.json and reload.',
        ("docker_daemon_live_restore: true", "docker_daemon_log_opts"),
        RESTARTS,
    ),
    refs=("D:2.13",),
)
def daemon_hardened(facts: Any, policy: Any) -> Verdict:
    _running(facts)
    found = each(
        ("live-restore",),
        str,
        lambda _name: (facts.read("docker.live_restore") is True, _on(facts.read("docker.live_restore"))),
    )
    found += each(("registries",), str, lambda _name: _registries(facts))
    found += each(("logs",), str, lambda _name: _logs(facts))
    return summed("live-restore, limited logs, no insecure registry", found)


def _on(value: Any) -> str:
    return "on" if value else "off"


def _registries(facts: Any) -> Any:
    insecure = facts.read("docker.insecure_registries")
    return not insecure, "insecure: " + ", ".join(insecure) if insecure else "all with TLS"


def _logs(facts: Any) -> Any:
    driver = facts.read("docker.log_driver")
    if driver not in ("json-file",):
        return True, "driver %s" % driver
    options = facts.read("docker.config").get("log-opts") or {}
    limited = "max-size" in options or any("max-size=" in item for item in _arguments(facts))
    return limited, "json-file with a max-size" if limited else "json-file without a max-size"


CHECKS = (api_guarded, daemon_hardened)
