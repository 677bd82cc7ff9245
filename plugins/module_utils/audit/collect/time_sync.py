# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the clock is synchronized.

timedatectl asks the kernel (adjtimex), which any NTP daemon tells of its success; so the answer is true in a container too, whose
clock is its host's. chrony is asked where there is no timedated.
"""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, first_line

# command, what it prints where the clock is synchronized, and where it is not
_ASKED = (
    (("timedatectl", "show", "-p", "NTPSynchronized"), "NTPSynchronized=yes", "NTPSynchronized=no"),
    (("chronyc", "-n", "tracking"), ": Normal", ": Not synchronised"),
)


def collect(host: Any, need: Any) -> Dict[str, Any]:
    first = None
    for argv, yes, no in _ASKED:
        try:
            done = host.run(argv)
        except HostError as error:
            first = first or error.missing("time_sync")
            continue
        if done.rc == 0 and (yes in done.out or no in done.out):
            return {"synchronized": yes in done.out}
        problem = first_line(done.err) or "gave no answer"
        first = first or Missing("time_sync", Reason.ERROR, "%s: %s" % (argv[0], problem))
    raise first or Missing("time_sync", Reason.TOOL_ABSENT, "")


COLLECTORS = (Collector("time_sync", collect),)
