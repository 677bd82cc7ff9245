# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the kernel's audit record changes of what matters: rules on disk, the daemon, and what is in force.

A container has no audit of its own: there the rules are written and understood, and that is all.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import docker
from ansible_collections.nself.prod.plugins.module_utils.change import where
from ansible_collections.nself.prod.plugins.module_utils.change.auditd_rules import (
    Project,
    daemon_config,
    data_folders,
    foreign,
    left_out,
    render,
    rules_of,
    watched_project,
)
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.services_found import show
from ansible_collections.nself.prod.plugins.module_utils.change.tables import auditd as tables
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import AMBIGUOUS, FOUND, discover
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound, exists
from ansible_collections.nself.prod.plugins.module_utils.parse.audit_rules import parse_status
from ansible_collections.nself.prod.plugins.module_utils.parse.sysctl import comment_out

OURS = tables.RULES_DIR + "/" + tables.RULES
SERVICE = "auditd.service"
LOADER = "audit-rules.service"  # since audit 4
SPEC: Dict[str, Any] = {
    "project_dir": {"type": "path"},
    "rules": {"type": "list", "elements": "str", "default": []},
    "immutable": {"type": "bool", "default": False},
}


def work(host: Any, changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Make the changes and return what the module returns besides."""
    kind = where.container(host)
    installed = host.which("auditctl") is not None
    if not installed and not changes.check:
        raise ChangeError("auditctl is not installed; install the package auditd first")
    warnings: List[str] = []
    project = _project(host, changes, params["project_dir"], warnings)
    paths = [path for _key, watched in tables.WATCHED for path in watched if _is_watched(host, path)]
    machine = command(host, ["uname", "-m"]).out.strip()
    text = render(paths, machine, project, params["rules"] or [], params["immutable"])
    rules_of(OURS, text)

    others = _others(host, changes)
    about = foreign(others, params["immutable"])
    warnings += about.told
    if not exists(host, tables.FOLDER):
        # A watch on a directory that comes later would see only the directory itself.
        changes.directory(tables.FOLDER, 0o700)
    edited = changes.file(OURS, text, mode=0o640)
    for path, numbers in sorted(about.stops.items()):
        off = comment_out(others[path], numbers, "nself.prod: keeps everything from being audited")
        edited |= changes.file(path, off, mode=None, uid=None, gid=None)
    config = changes.read(tables.CONFIG)
    settings = config is not None and changes.file(tables.CONFIG, daemon_config(config), mode=None, uid=None, gid=None)
    result = {
        "file": OURS,
        "project": project.directory if project else None,
        "left_out": list(project.data) if project else [],
    }
    if kind is not None:
        _never_start(host, changes, installed)
        service = {"state": "not_applicable", "reason": "a container (%s) has no audit of its own" % kind}
    elif _off_by_boot(host):
        service = {"state": "not_applicable", "reason": "the kernel was started with audit=0; take it out and reboot"}
        warnings.append("auditd: " + service["reason"])
    elif not installed:
        service = {"state": "absent", "reason": "auditd will be installed"}
        changes.note("%s: started, and its rules are loaded" % SERVICE)
    else:
        service = _in_force(host, changes, edited, settings)
        if service["state"] == "locked":
            warnings.append("auditd: " + service["reason"])
    return dict(result, service=service, warnings=warnings)


def _is_watched(host: Any, path: str) -> bool:
    return path in tables.ALWAYS or exists(host, tables.COMES_WITH.get(path, path))


def _project(host: Any, changes: Changes, told: Optional[str], warnings: List[str]) -> Optional[Project]:
    """Return the deployment's folder, None where there is none."""
    engine = docker.collect_engine(host, None)
    containers = docker.collect_containers(host, {"docker_engine": engine}.__getitem__)
    found = discover(host, containers, told)
    before = changes.read(OURS) or ""
    directory = found.directory if found.state == FOUND else None
    if told and directory is None:
        raise ChangeError("auditd_project_dir: %s" % found.message)
    if found.state == AMBIGUOUS:
        warnings.append("no project's folder is watched: %s (auditd_project_dir here)" % found.message)
    elif directory is None and engine["state"] != "present":
        # Only Docker would know of it; it stays watched while Docker is stopped.
        directory = next((path for path in watched_project(before) if _is_folder(host, path)), None)
    if directory is None:
        return None
    inside = [name for name in host.listdir(directory) if host.stat(directory + "/" + name, follow=False).kind == "dir"]
    data = data_folders(directory, inside, containers, left_out(before))
    return Project(directory, tuple(path for path in data if _is_folder(host, path)))


def _is_folder(host: Any, path: str) -> bool:
    try:
        return str(host.stat(path).kind) == "dir"
    except NotFound:
        return False


def _others(host: Any, changes: Changes) -> Dict[str, str]:
    try:
        names = [name for name in host.listdir(tables.RULES_DIR) if name.endswith(".rules") and name != tables.RULES]
    except NotFound:
        return {}
    return {
        "%s/%s" % (tables.RULES_DIR, name): changes.read("%s/%s" % (tables.RULES_DIR, name)) or "" for name in names
    }


def _never_start(host: Any, changes: Changes, installed: bool) -> None:
    """In a container the daemon could only fail at each boot."""
    what = "auditd: not started at boot, where a container refuses it"
    enabled = [unit.name for unit in show(host, [SERVICE, LOADER]) if unit.enabled] if installed else []
    if enabled:
        changes.run(["systemctl", "disable", "--"] + enabled, what)
    elif not installed:
        changes.note(what)


def _off_by_boot(host: Any) -> bool:
    return bool({"audit=0", "audit=off"} & set(host.read("/proc/cmdline").split()))


def _in_force(host: Any, changes: Changes, edited: bool, settings: bool) -> Dict[str, str]:
    """Start the daemon and load the rules, where that is not so; make sure of it. Returns {"state", "reason"}."""
    status = _status(host)
    unit = next(iter(show(host, [SERVICE])), None)
    if unit is None:
        raise ChangeError("there is no %s; install the package auditd again" % SERVICE)
    missing = _unloaded(host, changes)
    if not unit.enabled:
        changes.run(["systemctl", "enable", "--", SERVICE], "%s: started at boot" % SERVICE)
    if not unit.active or status.get("pid", "0") == "0":
        changes.run(["systemctl", "start", "--", SERVICE], "%s: started" % SERVICE)
    elif settings:
        changes.run(["systemctl", "kill", "--signal=HUP", "--", SERVICE], "%s: reads auditd.conf again" % SERVICE)
    if status.get("enabled") == "2":
        if edited or missing:
            return {
                "state": "locked",
                "reason": "the rules in force are locked (-e 2); the new ones count from the next reboot on",
            }
        return {"state": "running", "reason": "the rules on disk are in force, and locked"}
    if edited or missing:
        changes.run(["augenrules", "--load"], "the rules on disk are loaded")
    if status.get("enabled") != "1":
        changes.run(["auditctl", "-e", "1"], "the audit is turned on")
    if not changes.check:
        _verify(host, changes)
    return {"state": "running", "reason": "the rules on disk are in force"}


def _status(host: Any) -> Dict[str, str]:
    return parse_status(command(host, ["auditctl", "-s"]).out)


def _unloaded(host: Any, changes: Changes) -> List[str]:
    """Return the rules that stand on disk and are not in force, as their lines."""
    running = set(rules_of("auditctl -l", command(host, ["auditctl", "-l"]).out))
    texts = dict(_others(host, changes))
    texts[OURS] = changes.read(OURS) or ""
    out = []
    for path, text in sorted(texts.items()):
        out += [line.strip() for line in text.splitlines() if set(rules_of(path, line)) - running]
    return out


def _verify(host: Any, changes: Changes) -> None:
    """Raise ChangeError where what is in force is not what stands on disk."""
    status = _status(host)
    if status.get("enabled") not in ("1", "2") or status.get("pid", "0") == "0":
        raise ChangeError("auditing is not on (auditctl -s); see `journalctl -u auditd`")
    missing = _unloaded(host, changes)
    if missing:
        raise ChangeError("%d rules are not loaded, such as `%s`; see `augenrules --load`" % (len(missing), missing[0]))
