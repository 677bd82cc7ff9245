# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where reports go: the reader's terminal and Ansible's log."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from collections.abc import Sequence
from typing import Callable

import yaml
from ansible import constants as C
from ansible.utils import color
from ansible.utils.display import Display
from ansible_collections.nself.prod.plugins.plugin_utils import private_file
from ansible_collections.nself.prod.plugins.plugin_utils.report import fleet, json_report
from ansible_collections.nself.prod.plugins.plugin_utils.report.shape import HostReport
from ansible_collections.nself.prod.plugins.plugin_utils.report.text import Style

display = Display()

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NARROWEST, WIDEST = 72, 120  # columns: the fleet table needs so many, and longer lines are hard to read


def show(render: Callable[[Style], str]) -> None:
    """Print a report on the screen, and without colours into Ansible's log where there is one."""
    columns = max(NARROWEST, min(display.columns or 79, WIDEST))
    plain = Style(columns, colour=False, unicode=_speaks_unicode())
    coloured = Style(columns, colour=_takes_colour(), unicode=plain.unicode)
    display.display("\n" + render(coloured), screen_only=True)
    if C.DEFAULT_LOG_PATH:
        display.display(render(plain), log_only=True)


def _takes_colour() -> bool:
    # Ansible looks at the terminal before it forks, but reads NO_COLOR as a boolean; by its convention any text counts.
    return bool(color.ANSIBLE_COLOR and not C.ANSIBLE_NOCOLOR and not os.environ.get("NO_COLOR"))


def _speaks_unicode() -> bool:
    # A worker's sys.stdout is a buffer; the real one is kept by Python.
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    try:
        "✓✗–…".encode(encoding)
    except (UnicodeError, LookupError):
        return False
    return True


def write(path: str, hosts: Sequence[HostReport], fail_on: str, fail_on_unknown: bool) -> None:
    """Write the report on these hosts to a file, by the gate that was asked for."""
    private_file.write(path, json_report.render(hosts, version(ROOT), when(hosts), fail_on, fail_on_unknown))


def when(hosts: Sequence[HostReport]) -> str:
    """Return when the last audit of these hosts began, or now."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    return fleet.newest(hosts) or now.isoformat().replace("+00:00", "Z")


def version(root: str) -> str:
    """Return the collection's version, from the manifest of an installed one or the galaxy.yml of a checkout."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        with open(os.path.join(root, "MANIFEST.json"), encoding="utf-8") as stream:
            return str(json.load(stream)["collection_info"]["version"])
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        with open(os.path.join(root, "galaxy.yml"), encoding="utf-8") as stream:
            return str(yaml.safe_load(stream)["version"])
    return "unknown"
