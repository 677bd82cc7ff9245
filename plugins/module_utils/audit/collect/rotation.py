# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the project's secrets were last changed, as far as anything tells.

Facts `rotation`: written{name: whole days since the env file was written}, ledger{name: whole days since its rotation}, None where there
is no ledger.
"""

from __future__ import annotations

import posixpath
from functools import partial
from typing import Any, Dict, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_scope import LEDGER
from ansible_collections.nself.prod.plugins.module_utils.host import NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import rotation_ledger

DAY = 86400


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts of the project's folder; empty where there is no one project."""
    project = need("project")
    directory = project.found.directory
    if not directory or isinstance(project.chain, Unread):
        return {"written": project.chain if isinstance(project.chain, Unread) else {}, "ledger": None}
    names = sorted({item.file for item in project.settings.values()})
    return {
        "written": {name: attempt(partial(_written, host, posixpath.join(directory, name))) for name in names},
        "ledger": attempt(lambda: _ledger(host, posixpath.join(directory, LEDGER))),
    }


def _written(host: Any, path: str) -> int:
    """Return the days since a file's content changed. Its mtime: a chmod, which changes the ctime, rotates nothing."""
    return int((host.now() - host.stat(path).mtime) // DAY)


def _ledger(host: Any, path: str) -> Optional[Dict[str, int]]:
    try:
        text = host.read(path)
    except NotFound:
        return None
    try:
        found = rotation_ledger.parse(text)
    except rotation_ledger.LedgerError as error:
        raise Missing("rotation.ledger", Reason.PARSE_ERROR, "%s: %s" % (path, error)) from None
    return {name: int((host.now() - when) // DAY) for name, when in sorted(found.items())}


COLLECTORS = (Collector("rotation", collect, deadline=19.0),)
