# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports of an image scanner that were imported into the project, and the running images that each of them is about.

Reports are files that `trivy image --format json` wrote, in <project>/.nself-prod/scans: the audit looks nothing up and installs nothing.

Facts `scans`: images{reference: {age_days, fixable[]}, None where no report is about it, or Unread}.
"""

from __future__ import annotations

import posixpath
from typing import Any, Dict, List, Mapping, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Level, Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.images import full
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound
from ansible_collections.nself.prod.plugins.module_utils.parse import trivy

FOLDER = ".nself-prod/scans"
MOST_FILES, MOST_BYTES = 200, 32 << 20
DAY = 86400


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts. Raises Missing where it is not known what runs."""
    project = need("project")
    if isinstance(project.units, Unread):
        raise Missing("scans", project.units.reason, project.units.detail)
    running = [unit for unit in project.units if unit["level"] == Level.RUNNING]
    if not running or not project.found.directory:
        return {"images": {}}
    found, broken = _reports(host, posixpath.join(project.found.directory, FOLDER))
    return {"images": {unit["image"]: _of(unit, found, broken, host.now()) for unit in running}}


def _reports(host: Any, folder: str) -> Tuple[List[trivy.Scan], List[str]]:
    """Return the reports, and what is wrong with the files that are none."""
    try:
        names = [name for name in host.listdir(folder) if name.endswith(".json")]
    except NotFound:
        return [], []
    found, broken = [], []
    for name in names[:MOST_FILES]:
        try:
            found.append(trivy.parse(host.read(posixpath.join(folder, name), MOST_BYTES)))
        except trivy.TrivyError as error:
            broken.append("%s: %s" % (name, error))
        except HostError as error:
            broken.append(str(error))
    return found, broken + ["more than %d files" % MOST_FILES] * (len(names) > MOST_FILES)


def _of(unit: Mapping[str, Any], scans: List[trivy.Scan], broken: List[str], now: float) -> Any:
    """Return the newest report on the image that runs: by its digests, where a report names them, else by its reference."""
    name = full(unit["image"])
    digest = unit["image"].partition("@")[2]
    mine = [scan for scan in scans if unit["image_id"] in scan.ids or digest and digest in scan.ids]
    mine += [scan for scan in scans if not scan.ids and full(scan.image) == name]
    if mine:
        newest = max(mine, key=lambda scan: scan.created)
        age = (now - newest.created) / DAY
        if age < -1:
            return Unread(Reason.ERROR, "its scan is dated in the future")
        return {"age_days": round(max(age, 0.0), 1), "fixable": list(newest.fixable)}
    if any(full(scan.image) == name for scan in scans):
        return Unread(Reason.ERROR, "the image that was scanned under this name is not the one that runs")
    if broken:
        return Unread(Reason.PARSE_ERROR, "no scan, and %s" % broken[0])
    return None


COLLECTORS = (Collector("scans", collect, deadline=20.0),)
