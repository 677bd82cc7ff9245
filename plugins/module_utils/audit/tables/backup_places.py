# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups lie, what is none of them, and the names of the settings that tell of them."""

from __future__ import annotations

import re

FOLDERS = ("backups", "_backup")  # below the project
HOME_FOLDER = ".nself/backups"
FOLDER_SETTINGS = ("BACKUP_DIR", "BACKUP_PATH", "BACKUP_LOCAL_DIR", "BACKUP_LOCAL_PATH", "DB_BACKUP_DIR", "BACKUPS_DIR")
FLAGS = ("BACKUP_ENCRYPTION", "BACKUP_ENCRYPTION_ENABLED", "BACKUP_ENCRYPT", "ENCRYPT_BACKUPS")

# Keys that encrypt and decrypt alike: by value, and by the file that holds the value.
KEY_SETTINGS = (
    "BACKUP_ENCRYPTION_KEY",
    "BACKUP_ENCRYPTION_PASSWORD",
    "BACKUP_ENCRYPTION_PASSPHRASE",
    "BACKUP_PASSPHRASE",
    "BACKUP_GPG_PASSPHRASE",
    "RESTIC_PASSWORD",
    "BORG_PASSPHRASE",
)
KEY_FILE_SETTINGS = ("BACKUP_ENCRYPTION_KEY_FILE", "BACKUP_KEY_FILE", "RESTIC_PASSWORD_FILE")

# Settings that name a place on another machine. A value that is a path of this host is none.
OFFSITE_SETTINGS = (
    "RCLONE_REMOTE",
    "BACKUP_RCLONE_REMOTE",
    "RESTIC_REPOSITORY",
    "BORG_REPO",
    "BACKUP_REMOTE",
    "BACKUP_REMOTE_PATH",
    "BACKUP_OFFSITE",
    "BACKUP_OFFSITE_URL",
    "BACKUP_CLOUD_BUCKET",
    "BACKUP_S3_BUCKET",
    "S3_BACKUP_BUCKET",
    "S3_BUCKET_BACKUP",
    "AWS_BACKUP_BUCKET",
    "WALG_S3_PREFIX",
    "DROPBOX_FOLDER",
    "GDRIVE_FOLDER_ID",
    "ONEDRIVE_FOLDER",
)
SYNCED = ".nself-prod/offsite-sync.json"  # {"date": when, "to": where}: written by what copies, below the project
DRILLED = ".nself-prod/restore-drill.json"  # {"date": when, "file": what was restored}

# What stands beside backups and is none: checksums, records, notes, files that are not whole yet.
BESIDE = re.compile(
    r"\.(sha\d+|sha\d+sums?|md5|sums?|sig|asc\.sig|minisig|log|lock|partial|part|tmp|meta|info|pid|gitkeep)$|^\.|^README",
    re.I,
)
NOTE_SIZE = 65536  # bytes: a smaller text that is no SQL is a record or a note
# A backup of anything but the database: it must not make an old dump look new.
OTHER_THAN_DATABASE = re.compile(
    r"(^|[^a-z])(config|configs|env|conf|minio|uploads?|media|storage|files|redis|ssl|certs?|certificates|letsencrypt|nginx|grafana|"
    r"prometheus|loki|meili(search)?|functions|logs?|roles|globals)([^a-z]|$)",
    re.I,
)
SMALLEST = 512  # bytes: what a dump that failed leaves is smaller, compressed and encrypted too

# A folder that is a repository or a copied cluster: (kind, what stands in it, whose newest file tells the last backup, encrypted).
# encrypted: None where the marker does not tell.
REPOSITORIES = (
    ("restic repository", ("config", "keys", "snapshots", "data"), "snapshots", True),
    ("borg repository", ("config", "data", "README"), "", None),
    ("pgbackrest repository", ("archive", "backup"), "backup", None),
    ("copy of a cluster", ("PG_VERSION", "base"), "", False),
)
