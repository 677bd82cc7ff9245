# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of Debian's packages are there: a question of milliseconds, where asking apt costs seconds."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.platform import os_release
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.patient import Patient
from ansible_collections.nself.prod.plugins.module_utils.host import first_line

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_QUERY = "dpkg-query"


def work(host: Any, _changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Return which packages are missing, the module's whole work. Raises ChangeError on a host that has no such packages."""
    host = Patient(host)
    names = list(dict.fromkeys(params["names"]))
    wrong = [name for name in names if not _NAME.match(name)]
    if wrong:
        raise ChangeError("%r is no name of a package: it takes names without versions and patterns" % wrong[0])
    release = os_release(host)
    kinds = [release.get("ID", "")] + release.get("ID_LIKE", "").split()
    name = release.get("PRETTY_NAME") or release.get("ID") or "something else"
    if not {"debian", "ubuntu"} & set(kinds):
        raise ChangeError(
            "packages are installed on Debian and Ubuntu only, and this is %s; leave this host out" % name
        )
    if host.which(_QUERY) is None:
        raise ChangeError("this is %s, but it has no %s; install dpkg again" % (name, _QUERY))
    return {"missing": missing(host, names)}


def missing(host: Any, names: Sequence[str]) -> List[str]:
    """Return those of the packages that are not installed. Raises ChangeError where dpkg cannot tell."""
    if not names:
        return []
    done = host.run([_QUERY, "--show", "--showformat=${Package} ${db:Status-Status}\n"] + list(names))
    # It ends with 1 where it does not know one of them.
    if done.rc not in (0, 1):
        raise ChangeError("%s: %s; see `dpkg --audit`" % (_QUERY, first_line(done.err)))
    there = {line.split()[0] for line in done.out.splitlines() if line.endswith(" installed")}
    return [name for name in names if name not in there]
