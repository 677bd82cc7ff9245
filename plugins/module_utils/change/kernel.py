# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Set values of the running kernel, which /proc/sys takes in place: no file there can be replaced."""

from __future__ import annotations

import errno
import os
from typing import Optional

ROOT = "/proc/sys/"
_REFUSED = {
    errno.EACCES: "this host may not set it",
    errno.EPERM: "this host may not set it",
    errno.EROFS: "/proc/sys is read-only here",
    errno.EINVAL: "the kernel does not take this value",
    errno.ERANGE: "the kernel does not take this value",
}


class Kernel:
    """The running kernel's settings, by their paths below /proc/sys."""

    def refusal(self, key: str) -> Optional[str]:
        """Return why a setting cannot be written here, None where it can as far as may be seen without trying."""
        if os.access(ROOT + key, os.W_OK):
            return None
        return _REFUSED[errno.EROFS if os.statvfs(ROOT + key).f_flag & os.ST_RDONLY else errno.EACCES]

    def set(self, key: str, value: str) -> Optional[str]:
        """Write a setting; return why the kernel refuses it, None where it took it. An interface that has gone is no refusal."""
        try:
            descriptor = os.open(ROOT + key, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, value.encode("utf-8") + b"\n")
            finally:
                os.close(descriptor)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            return _REFUSED.get(error.errno or 0, error.strerror or str(error))
        return None
