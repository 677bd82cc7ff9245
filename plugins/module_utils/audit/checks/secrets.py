# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: who can read them, where else they stand, whether everybody knows them, whether one opens two doors."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.units import NO_DEPLOYMENT, all_units, level_of, name_of
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, resource, summed

# Services that come up with a well-known password where theirs is not set.
DEFAULT_WHEN_UNSET = {
    "grafana": "GF_SECURITY_ADMIN_PASSWORD",
    "minio": "MINIO_ROOT_PASSWORD",
    "meilisearch": "MEILI_MASTER_KEY",
}
# Names whose empty value means that the door stands open.
SHORTEST = 8  # characters: below, guessing needs no luck
NEVER_EMPTY = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "HASURA_GRAPHQL_ADMIN_SECRET") + tuple(
    DEFAULT_WHEN_UNSET.values()
)


def _project(facts: Any) -> None:
    if facts.read("deployment.state") == "none":
        raise NotApplicable(NO_DEPLOYMENT)
    # Half a deployment, or two, is not one to judge.
    facts.read("deployment.units")


@check(
    "DATA-29",
    "secret-files-private",
    "Files with secrets are private",
    Severity.CRITICAL,
    "Every account on the host, and every process that runs under one, can read a file that is open to others.",
    "mode and owner of every .env* file, of compose files with secrets in them, and of the folders above",
    "0600 or stricter, owned by root or the project's owner, in folders that others cannot write",
    Fix("permissions", "Run `chmod 600` on the named files in the project's folder.", ("permissions_project_dir",)),
    refs=("s:secrets",),
)
def secret_files_private(facts: Any, policy: Any) -> Verdict:
    _project(facts)
    folders = facts.records("files.folders")
    owners = {0, folders[0].read("uid")} if folders else {0}

    def file(entry: Record) -> Tuple[bool, str]:
        if entry.read("kind") == "compose" and not entry.read("info.inline"):
            raise NotApplicable("no secret in it")
        mode, uid = entry.read("info.mode"), entry.read("info.uid")
        bad = ["mode %04o" % mode] if mode & 0o077 else []
        if uid not in owners:
            bad.append("owned by uid %d" % uid)
        return not bad, ", ".join(bad) or "%04o" % mode

    def folder(entry: Record) -> Tuple[bool, str]:
        mode = entry.read("mode")
        # The sticky bit keeps others from replacing a file that is not theirs; an owner replaces what he likes.
        if entry.read("uid") not in owners:
            return False, "owned by uid %d" % entry.read("uid")
        return not mode & 0o002 or bool(mode & 0o1000), "mode %04o" % mode

    found = each(facts.records("files.entries"), _path, file)
    if not found:
        raise NotApplicable("no env file and no compose file with a secret in it")
    found += [item for item in each(folders, _path, folder) if item.status != Status.PASS]
    return summed("0600, owned by root or the project's owner", found)


def _path(entry: Record) -> str:
    return str(entry.read("path"))


@check(
    "DATA-30",
    "secrets-not-leaked",
    "Secrets stand nowhere but in their files",
    Severity.CRITICAL,
    "Command lines are readable by every account and end in logs; images and git histories are copied and kept for ever.",
    "command lines of the containers and of all other processes, environments baked into images, git's index and ignore rules",
    "no secret on a command line or in an image; no env file in git, and all of them ignored",
    Fix(
        "redis",
        "Remove tracked env files with `git rm --cached` and ignore them; pass secrets by environment or file, not as an argument. The role redis "
        "does so for Redis, and the role minio for the container that makes MinIO's buckets.",
        restarts=("redis",),
    ),
    refs=("D:4.10",),
)
def secrets_not_leaked(facts: Any, policy: Any) -> Verdict:
    units = all_units(facts)

    def unit(item: Record) -> Tuple[bool, str]:
        on_line, in_image = item.read("argv_secrets"), item.read("image_secrets")
        bad = ["%s on its command line" % ", ".join(on_line)] if on_line else []
        if in_image:
            bad.append("%s in its image" % ", ".join(in_image))
        return not bad, "; ".join(bad) or "none"

    found = each(units, name_of, unit, level_of)
    found += each([facts], lambda _item: "other processes", _other_processes)
    found += each([facts], lambda _item: "git", _git)
    return summed("none", found)


def _other_processes(facts: Any) -> Tuple[bool, str]:
    found = facts.read("deployment.host_argv")
    return not found, "; ".join(
        "%s shows %s" % (item["process"], ", ".join(item["secrets"])) for item in found
    ) or "none"


def _git(facts: Any) -> Tuple[bool, str]:
    git = facts.read("files.git")
    if git is None:
        raise NotApplicable("no git work tree")
    bad = ["%s tracked by git" % ", ".join(git["tracked"])] if git["tracked"] else []
    if git["not_ignored"]:
        bad.append("%s not ignored by git" % ", ".join(git["not_ignored"]))
    return not bad, "; ".join(bad) or "ignored"


def secrets_of(unit: Record) -> Iterator[Tuple[str, Dict[str, Any]]]:
    """Yield (variable, properties) of every secret in a unit's environment, those inside URLs and JWT settings too."""
    for name, value in sorted(unit.read("env").items()):
        if not isinstance(value, dict):
            continue
        if "secret" in value and value["secret"]["named"]:
            yield name, value["secret"]
        elif "url" in value and value["url"]["password"]:
            yield name, value["url"]["password"]
        elif "jwt" in value and value["jwt"]["key"]:
            yield name, value["jwt"]["key"]


@check(
    "DATA-31",
    "no-default-secrets",
    "No secret is one that everybody knows",
    Severity.CRITICAL,
    "Defaults and demo values are the first that scanners try.",
    "every secret in the environment of every process, compared on the host with a table of known values",
    "none known, none a placeholder, none missing where the service has a default; MinIO's at least 16 characters",
    Fix(
        "secrets",
        "Replace the named secrets by random ones (`openssl rand -hex 32`) where they are set, and in the service that stores them.",
    ),
    refs=("s:secrets",),
)
def no_default_secrets(facts: Any, policy: Any) -> Verdict:
    least = policy["minio_password_min_length"]

    def judge(unit: Record) -> Tuple[bool, str]:
        named: Dict[str, List[str]] = {}
        for name, secret in secrets_of(unit):
            problem = problem_of(name, secret, least)
            if problem:
                named.setdefault(problem, []).append(name)
        bad = ["%s: %s" % (problem, ", ".join(names)) for problem, names in sorted(named.items())]
        wanted = DEFAULT_WHEN_UNSET.get(unit.read("role"))
        if wanted and wanted not in unit.read("env"):
            if any(name.startswith(wanted) and name.endswith("_FILE") for name in unit.read("env")):
                raise Missing(wanted, Reason.ERROR, wanted + " comes from a file in the container")
            bad.append("%s is not set, so the service's own default holds" % wanted)
        return not bad, "; ".join(bad) or "none"

    return summed("none", each(all_units(facts), name_of, judge, level_of), "the deployment has no services")


def problem_of(name: str, secret: Dict[str, Any], least: int) -> str:
    """Return what is wrong with a secret, "" where nothing is."""
    if secret["empty"]:
        return "empty" if name in NEVER_EMPTY else ""
    if secret["known"]:
        return "known defaults"
    if secret["placeholder"]:
        return "placeholders"
    least = least if name == "MINIO_ROOT_PASSWORD" else SHORTEST
    return "shorter than %d characters" % least if secret["length"] < least else ""


@check(
    "DATA-32",
    "secrets-distinct",
    "Every secret opens one door",
    Severity.WARNING,
    "One leak of a reused secret opens everything that shares it.",
    "keyed fingerprints of every secret in every environment, compared on the host and, in a fleet audit, across the hosts",
    "no secret serves two purposes (the names of one JWT key, and of one database password, are one purpose)",
    Fix(
        "secrets",
        "Give each of the named settings a random value of its own and recreate the services that hold them.",
    ),
    refs=("s:secrets",),
)
def secrets_distinct(facts: Any, policy: Any) -> Verdict:
    families: Dict[str, Dict[str, str]] = {}
    units = all_units(facts)
    for unit in units:
        for name, secret in secrets_of(unit):
            if not secret["empty"]:
                families.setdefault(secret["print"], {}).setdefault(secret["family"], name)
    if not families:
        raise NotApplicable("no secret is set")
    level = max((level_of(unit) for unit in units), key=("running", "rendered", "declared").index)
    found = [
        resource(" = ".join(sorted(names.values())), False, "one secret for %d purposes" % len(names), level)
        for names in families.values()
        if len(names) > 1
    ]
    found.sort(key=lambda item: item.name)
    return summed("no reuse", found or [resource("%d secrets" % len(families), True, "all different", level)])


CHECKS = (secret_files_private, secrets_not_leaked, no_default_secrets, secrets_distinct)
