# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is told when something is wrong: the files that the running alertmanager and prometheus read, and how containers log.

Facts `monitoring`: alertmanager[] of {service, receivers[]}, prometheus[] of {service, alerts, alertmanager}, logs[] of {service,
driver, max_size}. Where alerts go is a secret: facts tell its kind only.
"""

from __future__ import annotations

import posixpath
from typing import Any, Callable, Dict, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.nginx import Files
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.project import belongs
from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.discovery import LABEL
from ansible_collections.nself.prod.plugins.module_utils.deployment.yaml_reader import load
from ansible_collections.nself.prod.plugins.module_utils.parse import alerting

FACT = "monitoring"
MOST_RULE_FILES = 200


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts."""
    project = need("project")

    def each(role: str, read: Callable[[Any, Mapping[str, Any]], Dict[str, Any]]) -> Any:
        return attempt(
            lambda: [dict(_one(host, unit, read), service=unit["service"]) for unit in project.running(role)]
        )

    return {
        "alertmanager": each("alertmanager", _alertmanager),
        "prometheus": each("prometheus", _prometheus),
        "logs": attempt(lambda: _logs(need("docker_containers"), project.found)),
    }


def _one(
    host: Any, unit: Mapping[str, Any], read: Callable[[Any, Mapping[str, Any]], Dict[str, Any]]
) -> Dict[str, Any]:
    return read(Files(host, "/proc/%s/root" % unit["pid"]), unit)


def _alertmanager(files: Files, unit: Mapping[str, Any]) -> Dict[str, Any]:
    def read() -> List[Dict[str, Any]]:
        path = _config(unit)
        return _understood(path, lambda: alerting.receivers(_yaml(files, path)))

    return {"receivers": attempt(read)}


def _prometheus(files: Files, unit: Mapping[str, Any]) -> Dict[str, Any]:
    def count() -> int:
        path = _config(unit)
        patterns = _understood(path, lambda: alerting.rule_files(_yaml(files, path)))
        folder = posixpath.dirname(path)
        found = dict.fromkeys(
            name for pattern in patterns for name in files.glob(posixpath.normpath(posixpath.join(folder, pattern)))
        )
        if len(found) > MOST_RULE_FILES:
            raise Missing(FACT, Reason.ERROR, "it has more than %d files of rules" % MOST_RULE_FILES)
        return sum(alerting.alerts(_yaml(files, name)) for name in found)

    return {
        "alerts": attempt(count),
        "alertmanager": attempt(lambda: alerting.names_alertmanager(_yaml(files, _config(unit)))),
    }


def _config(unit: Mapping[str, Any]) -> str:
    """Return the configuration file that a program was told to read. Raises Missing."""
    words = [str(word) for word in unit["argv"]]
    for word, after in zip(words, words[1:] + [""]):
        flag, _equals, value = word.partition("=")
        if flag in ("--config.file", "-config.file"):
            path = value or after
            if path.startswith("/"):
                return posixpath.normpath(path)
    raise Missing(FACT, Reason.ERROR, "%s is not told by --config.file where its configuration is" % unit["service"])


def _yaml(files: Files, path: str) -> Any:
    try:
        return load(files.read(path), path)
    except Missing as missing:
        if missing.reason == Reason.TOOL_ABSENT:
            raise Missing(FACT, Reason.TOOL_ABSENT, "the host has no PyYAML to read %s with" % path) from None
        raise


def _understood(path: str, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except alerting.AlertingError as error:
        raise Missing(FACT, Reason.PARSE_ERROR, "%s: %s" % (path, error)) from None


def _logs(containers: List[Dict[str, Any]], found: Any) -> List[Dict[str, Any]]:
    """Return how each running container of the project logs, as the engine applied it: the daemon's options are in it."""
    out = []
    for item in containers:
        labels = (item.get("Config") or {}).get("Labels") or {}
        if (item.get("State") or {}).get("Running") and belongs(labels, found):
            applied = (item.get("HostConfig") or {}).get("LogConfig") or {}
            service = labels.get(LABEL + "service") or str(item.get("Name", "")).lstrip("/")
            size = str((applied.get("Config") or {}).get("max-size") or "")
            out.append({"service": service, "driver": str(applied.get("Type") or ""), "max_size": size})
    return sorted(out, key=lambda entry: entry["service"])


COLLECTORS = (Collector("monitoring", collect, deadline=20.0),)
