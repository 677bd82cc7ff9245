# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file on the controller that tells of hosts."""

from __future__ import annotations

import contextlib
import os
import tempfile

from ansible.errors import AnsibleActionFail


def write(path: str, text: str) -> None:
    """Write a file in one step: readers see the old report or the whole new one. It tells of weaknesses, so it is private."""
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".nself-report-", dir=os.path.dirname(path))
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise AnsibleActionFail("the report could not be written to %s: %s" % (path, error.strerror)) from None
