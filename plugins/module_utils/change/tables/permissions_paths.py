# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where keys lie, which folders are never closed, and the modes that the system's own files may have at most.

The modes are those of CIS' benchmarks for Debian and Ubuntu. A mode below is a ceiling: what a file has less stays away.
"""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Tuple

# Below the project.
KEY_FOLDERS = ("ssl", "certs", "certificates", "nginx/ssl", "nginx/certs", "postgres/certs", "postgres/ssl")
KEY_STORES = ("/etc/letsencrypt/archive", "/etc/letsencrypt/keys", "/etc/letsencrypt/accounts")
KEY_DEPTH = 5  # levels below one of them: an account of certbot's is that deep
KEY_NAMES = re.compile(r"(^|[._-])(privkey|private_key|key)\d*\.(pem|json)$|\.key$", re.I)
KEY_OF_BACKUPS = re.compile(r"key|secret|restic|borg|gpg|backup|passphrase|pass(word)?$", re.I)

# A setting may name any folder as one of backups. One of these is never closed, nor is anything below them.
SYSTEM_TREES = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/var/backups",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/mail",
    "/var/run",
    "/var/spool",
    "/var/tmp",
)
BACKUP_WORD = re.compile(r"back|dump|restic|borg|snapshot|archive", re.I)


class Ceiling(NamedTuple):
    """mode: what may stand at most; shadow: the group shadow may have it besides root."""

    mode: int
    shadow: bool = False


PUBLIC, SHADOW, ROOT_FILE, ROOT_FOLDER = Ceiling(0o644), Ceiling(0o640, True), Ceiling(0o600), Ceiling(0o700)
SYSTEM: Dict[str, Ceiling] = {
    "/etc/passwd": PUBLIC,
    "/etc/passwd-": PUBLIC,
    "/etc/group": PUBLIC,
    "/etc/group-": PUBLIC,
    "/etc/shadow": SHADOW,
    "/etc/shadow-": SHADOW,
    "/etc/gshadow": SHADOW,
    "/etc/gshadow-": SHADOW,
    "/etc/subuid": PUBLIC,
    "/etc/subgid": PUBLIC,
    "/etc/shells": PUBLIC,
    "/etc/security/opasswd": ROOT_FILE,
    "/etc/security/opasswd.old": ROOT_FILE,
    "/etc/motd": PUBLIC,
    "/etc/issue": PUBLIC,
    "/etc/issue.net": PUBLIC,
    "/etc/crontab": ROOT_FILE,
    "/etc/cron.d": ROOT_FOLDER,
    "/etc/cron.hourly": ROOT_FOLDER,
    "/etc/cron.daily": ROOT_FOLDER,
    "/etc/cron.weekly": ROOT_FOLDER,
    "/etc/cron.monthly": ROOT_FOLDER,
    "/etc/cron.yearly": ROOT_FOLDER,
    "/etc/sudoers": Ceiling(0o440),
    "/etc/sudoers.d": Ceiling(0o750),
    "/etc/docker": Ceiling(0o755),
    "/etc/docker/daemon.json": PUBLIC,
    "/boot/grub/grub.cfg": ROOT_FILE,
    "/root": ROOT_FOLDER,
}
# (folder, names in it, ceiling). sshd's configuration is not here: whoever touches it has to have sshd read it again, as the role sshd does.
SYSTEM_NAMES: Tuple[Tuple[str, "re.Pattern[str]", Ceiling], ...] = (
    ("/etc/sudoers.d", re.compile(r""), Ceiling(0o440)),
    ("/etc/ssh", re.compile(r"^ssh_host_.*_key$"), ROOT_FILE),
    ("/etc/ssh", re.compile(r"^ssh_host_.*_key\.pub$"), PUBLIC),
)
