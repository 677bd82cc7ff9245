# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers were not made as the files, or a fragment, say: they were made before the files said so."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping

from ansible_collections.nself.prod.plugins.module_utils.change.stack import override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Replace, literal
from ansible_collections.nself.prod.plugins.module_utils.deployment.interpolate import interpolate


def stale(stack: Any, fragment: Mapping[str, Any], settings: Mapping[str, str]) -> List[str]:
    """Return the services whose container has another command line, health check or environment. settings: what the env files will say.

    None where the user's own last words in the override may be the reason.
    """
    if override.has_content(stack.override.below):
        return []
    variables = dict(stack.variables, **settings)
    services = fragment.get("services") or {}
    return sorted(
        name for name, wanted in services.items() if _differs(stack.inspect(name), interpolate(wanted, variables))
    )


def frozen(stack: Any, services: Iterable[str], model: Mapping[str, Mapping[str, Any]]) -> Dict[str, Any]:
    """Return what makes compose start these services as their containers run, as far as the files say otherwise; {} where they do not.

    model: the services as the files say them. The containers' environment stands in it, so it holds secrets.
    """
    out: Dict[str, Dict[str, Any]] = {}
    for name in services:
        item = stack.inspect(name)
        if item is None:
            continue
        config = item.get("Config") or {}
        image = str(config.get("Image") or "")
        if _identity(stack, image) != item.get("Image"):
            image = str(item.get("Image") or image)  # the name means another one by now
        runs = {key: list(config.get(field) or []) for key, field in _FIELDS}
        if dict(runs, image=image, environment=sorted(runs["environment"])) == _meant(
            stack, name, model.get(name) or {}, image
        ):
            continue
        frozen = {key: Replace(map(literal, values)) for key, values in runs.items()}  # type: Dict[str, Any]
        out[name] = dict(frozen, image=image)
    return {"services": out} if out else {}


_FIELDS = (("entrypoint", "Entrypoint"), ("command", "Cmd"), ("environment", "Env"))


def _meant(stack: Any, name: str, wanted: Mapping[str, Any], built: str) -> Dict[str, Any]:
    """Return a service as the files and the image of its container say it. built: the image where the files name none."""
    own = stack.image(name).get("Config") or {}
    entrypoint, command = wanted.get("entrypoint"), wanted.get("command")
    if command is None and entrypoint is None:
        command = own.get("Cmd")
    environment = dict(pair.split("=", 1) for pair in own.get("Env") or [] if "=" in pair)
    environment.update({key: value for key, value in (wanted.get("environment") or {}).items() if value is not None})
    return {
        "image": wanted.get("image") or built,
        "entrypoint": list((own.get("Entrypoint") if entrypoint is None else entrypoint) or []),
        "command": list(command or []),
        "environment": sorted("%s=%s" % pair for pair in environment.items()),
    }


def _identity(stack: Any, name: str) -> str:
    done = stack.host.run(["docker", "image", "inspect", "--format", "{{.Id}}", "--", name], timeout=20)
    return str(done.out).strip() if done.rc == 0 else ""


def _differs(item: Any, wanted: Mapping[str, Any]) -> bool:
    if item is None:
        return False
    config = item.get("Config") or {}
    environment = set(config.get("Env") or [])
    pairs = (
        ("entrypoint", config.get("Entrypoint")),
        ("command", config.get("Cmd")),
        ("healthcheck", {"test": (config.get("Healthcheck") or {}).get("Test")}),
    )
    return any(key in wanted and (wanted[key] or None) != (is_now or None) for key, is_now in pairs) or not all(
        "%s=%s" % pair in environment for pair in (wanted.get("environment") or {}).items()
    )
