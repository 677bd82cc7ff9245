# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a project's backups, and of the disks below its volumes, becomes a fact."""

from __future__ import annotations

import gzip
import json
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import backups, disks
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.deployment.env_chain import Setting
from ansible_collections.nself.prod.plugins.module_utils.host import FileInfo, HostError
from fake_host import FakeHost

NOW = 1.8e9
HOUR = 3600
HOME = "/opt/nself"
PASSWD = {"/etc/passwd": "root:x:0:0::/root:/bin/sh\ndeploy:x:1000:1000::/home/deploy:/bin/sh\n"}
SECRET = "b7d1f0c9be24a58836d0fb1a97c5e2d4483b6a90f1c7e5d2"


def project(directory=HOME, state="found", chain=("prod", {}, []), running=(), **settings):
    return SimpleNamespace(
        found=SimpleNamespace(directory=directory, message="two projects"),
        state=state,
        chain=chain,
        settings={name: Setting(value, ".env") for name, value in settings.items()},
        running=lambda role: [unit for unit in running if unit["role"] == role],
    )


class Needing:
    options = SimpleNamespace(fingerprint_key="a key")

    def __init__(self, found, containers=()):
        self.known = {"project": found, "docker_containers": list(containers)}

    def __call__(self, name):
        return self.known[name]


def collect(files, stats=None, links=None, owner=1000, **settings):
    stats = dict({HOME: FileInfo(0o755, owner, owner, 0, NOW, "dir")}, **(stats or {}))
    host = FakeHost(dict(PASSWD, **files), stats, links=links, now=NOW)
    return backups.collect(host, Needing(project(**settings)))


def old(hours, size=9000, mode=0o600):
    return FileInfo(mode, 1000, 1000, size, NOW - hours * HOUR, "file")


def paths(found):
    return [item["path"] for item in found["files"]]


# -- files -----------------------------------------------------------------------------------------------------------


def test_files_are_told_newest_first_by_their_bytes():
    found = collect(
        {
            HOME + "/backups/a.sql.gz.enc": gzip.compress(b"x"),
            HOME + "/backups/daily/b.dump": b"Salted__" + b"\x99" * 40,
        },
        {HOME + "/backups/a.sql.gz.enc": old(30), HOME + "/backups/daily/b.dump": old(2, mode=0o644)},
    )
    assert found["files"] == [
        {
            "path": HOME + "/backups/daily/b.dump",
            "kind": "openssl enc",
            "encrypted": True,
            "data": True,
            "size": 9000,
            "age": 2,
            "mode": 0o644,
            "uid": 1000,
        },
        {
            "path": HOME + "/backups/a.sql.gz.enc",
            "kind": "gzip",
            "encrypted": False,
            "data": True,
            "size": 9000,
            "age": 30,
            "mode": 0o600,
            "uid": 1000,
        },
    ]
    assert [item["path"] for item in found["folders"]] == [HOME + "/backups", HOME + "/backups/daily"]


def test_what_stands_beside_backups_is_none():
    found = collect(
        {
            HOME + "/backups/a.sha256": "77 a",
            HOME + "/backups/a.json": '{"encrypted": true}',
            HOME + "/backups/.gitkeep": "",
            HOME + "/backups/README.md": "see wiki",
            HOME + "/backups/a.sql": "--\n-- PostgreSQL database dump\n",
        }
    )
    assert paths(found) == [HOME + "/backups/a.sql"]


def test_copies_of_the_configuration_are_no_backup_of_data_but_may_be_read_as_well():
    (item,) = collect({HOME + "/_backup/20261125/.env.dev": "A=b"})["files"]
    assert item["data"] is False and item["kind"] == "text" and item["mode"] == 0o644


def test_links_and_deeper_folders_are_not_walked():
    found = collect(
        {HOME + "/backups/a/b/c.gz": b"\x1f\x8b", HOME + "/backups/x.gz": b"\x1f\x8b"},
        links={HOME + "/backups/latest.gz": HOME + "/backups/x.gz"},
    )
    assert paths(found) == [HOME + "/backups/x.gz"]


@pytest.mark.parametrize(
    "value, folder",
    [
        ("/mnt/copies", "/mnt/copies"),
        ("./copies", HOME + "/copies"),
        ("~/copies", "/home/deploy/copies"),
        ("${HOME}/copies", "/home/deploy/copies"),
    ],
)
def test_the_folder_that_a_setting_names_is_looked_at(value, folder):
    found = collect({folder + "/a.gz": b"\x1f\x8b"}, BACKUP_DIR=value)
    assert paths(found) == [folder + "/a.gz"]


def test_the_home_of_the_projects_owner_is_looked_at():
    assert paths(collect({"/home/deploy/.nself/backups/a.gz": b"\x1f\x8b"})) == ["/home/deploy/.nself/backups/a.gz"]


@pytest.mark.parametrize("value", ["/", HOME, ".", "s3://bucket/backups"])
def test_a_setting_that_names_no_folder_of_backups_is_not_walked(value):
    assert collect({HOME + "/app.tar": "x", "/a.gz": b"\x1f\x8b"}, BACKUP_DIR=value)["folders"] == []


def test_a_link_to_another_disk_is_followed_once():
    found = collect(
        {"/mnt/copies/a.gz": b"\x1f\x8b"}, links={HOME + "/backups": "/mnt/copies"}, BACKUP_DIR="/mnt/copies"
    )
    assert paths(found) == ["/mnt/copies/a.gz"]


def test_too_many_files_are_told_and_not_half_judged(monkeypatch):
    monkeypatch.setattr(backups, "MOST", 3)
    found = collect({HOME + "/backups/%d.gz" % number: b"\x1f\x8b" for number in range(5)})
    assert isinstance(found["files"], Unread) and isinstance(found["folders"], Unread)


def test_only_the_newest_of_a_sort_are_read_and_hide_no_other():
    many = {HOME + "/_backup/1/%d.yml" % number: "a: b" for number in range(60)}
    many.update({HOME + "/backups/minio-%d.tar" % number: b"\x1f\x8b" for number in range(60)})
    found = collect(dict(many, **{HOME + "/backups/app.gz": b"\x1f\x8b"}), {HOME + "/backups/app.gz": old(9999999)})
    assert len(found["files"]) == 2 * backups.NEWEST + 1 and paths(found)[-1] == HOME + "/backups/app.gz"


def test_a_file_that_is_closed_is_unread():
    (item,) = collect({HOME + "/backups/a.gz": HostError("needs_root", "a.gz", "permission denied")})["files"]
    assert isinstance(item, Unread) and item.reason == "needs_root"


# -- repositories ----------------------------------------------------------------------------------------------------


def test_a_restic_repository_is_one_backup_as_old_as_its_newest_snapshot():
    root = HOME + "/backups/restic"
    files = {root + "/" + name: b"\x99" for name in ("config", "keys/1", "snapshots/1", "snapshots/2", "data/00/1")}
    found = collect(files, {root + "/snapshots/1": old(50), root + "/snapshots/2": old(3)})
    assert [(item["kind"], item["age"], item["encrypted"]) for item in found["files"]] == [
        ("restic repository", 3, True)
    ]


@pytest.mark.parametrize(
    "config, encrypted", [("[repository]\nid = 1\nkey = hqlhbGdv\n", True), ("[repository]\nid = 1\n", None)]
)
def test_a_borg_repository_without_its_key_does_not_tell(config, encrypted):
    root = HOME + "/backups/borg/"
    found = collect(
        {root + "config": config, root + "README": "This is a Borg Backup repository", root + "data/0/1": b"x"}
    )
    assert [(item["kind"], item["encrypted"]) for item in found["files"]] == [("borg repository", encrypted)]


@pytest.mark.parametrize("info, encrypted", [(b"Salted__xx", True), (b"[backrest]\n", False), (b"\x00\x01", None)])
def test_a_pgbackrest_repository_is_told_by_its_record(info, encrypted):
    root = HOME + "/backups/pgbackrest/"
    found = collect({root + "backup/main/backup.info": info, root + "archive/main/archive.info": info})
    assert [(item["kind"], item["encrypted"]) for item in found["files"]] == [("pgbackrest repository", encrypted)]


def test_a_copied_cluster_is_in_clear():
    root = HOME + "/backups/base/"
    found = collect({root + "PG_VERSION": "16", root + "base/1/1": b"x", root + "global/1": b"x"})
    assert [(item["kind"], item["encrypted"]) for item in found["files"]] == [("copy of a cluster", False)]


# -- keys, the way off the host, markers -----------------------------------------------------------------------------


def test_keys_become_properties():
    found = collect(
        {"/root/backup.key": SECRET + "\n"},
        {"/root/backup.key": FileInfo(0o600, 0, 0, 49, NOW, "file")},
        BACKUP_ENCRYPTION_KEY=SECRET,
        BACKUP_ENCRYPTION_KEY_FILE="/root/backup.key",
    )
    value, file = found["keys"]
    assert (value["path"], file["path"], file["mode"]) == (None, "/root/backup.key", 0o600)
    assert value["secret"]["print"] == file["secret"]["print"] and file["secret"]["length"] == 48
    assert SECRET not in repr(found)


def test_a_key_file_that_is_not_there_is_unread():
    assert isinstance(collect({}, BACKUP_ENCRYPTION_KEY_FILE="/root/backup.key")["keys"], Unread)


def test_what_is_set_up_off_the_host_is_told_by_name_only():
    found = collect(
        {
            "/root/.config/rclone/rclone.conf": "[away]\ntype = s3\nsecret_access_key = %s\n" % SECRET,
            "/etc/rclone.conf": "",
        },
        RESTIC_REPOSITORY="rest:https://user:%s@host/" % SECRET,
        BACKUP_REMOTE="/mnt/other",
        BACKUP_OFFSITE="true",
    )
    assert found["offsite"] == ["RESTIC_REPOSITORY", "/root/.config/rclone/rclone.conf"]
    assert SECRET not in repr(found)


def test_markers_tell_hours():
    found = collect(
        {
            HOME + "/.nself-prod/offsite-sync.json": json.dumps({"date": "2027-01-15T05:00:00Z", "to": "away:backups"}),
            HOME + "/.nself-prod/restore-drill.json": json.dumps({"date": "2027-01-14", "file": "a.sql.gz.age"}),
        }
    )
    assert found["synced"] == {"hours": 3} and found["drilled"] == {"hours": 32}
    assert collect({})["synced"] is None and collect({})["drilled"] is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"date": "2027-01-14"}',
        '{"date": "soon", "file": "a"}',
        '{"date": "2027-01-14", "file": " "}',
        "[" * 9999,
    ],
)
def test_a_marker_that_says_nothing_is_unread(text):
    assert isinstance(collect({HOME + "/.nself-prod/restore-drill.json": text})["drilled"], Unread)


def test_without_a_project_there_is_nothing_and_among_two_nothing_is_known():
    assert backups.collect(FakeHost(), Needing(project(directory=None, state="none"))) == {}
    for found in (project(directory=None, state="ambiguous"), project(chain=Unread("needs_root", "closed"))):
        with pytest.raises(Missing):
            backups.collect(FakeHost(), Needing(found))


# -- disks -----------------------------------------------------------------------------------------------------------

MOUNTS = """\
22 1 253:2 / / rw - ext4 /dev/mapper/root rw
30 22 0:40 / /tank rw - zfs tank/data rw
31 22 0:50 / /pool rw - btrfs /dev/sdb rw
32 22 0:60 / /layer rw - overlay overlay rw
33 22 259:9 / /gone rw - ext4 /dev/gone rw
34 22 7:0 / /image rw - ext4 /dev/loop0 rw
"""
# An LVM volume on a LUKS container on a partition; sdb is plain.
SYS = {
    "/sys/devices/dm-2/dm/uuid": "LVM-abc\n",
    "/sys/devices/dm-2/slaves/dm-0": "",
    "/sys/devices/dm-0/dm/uuid": "CRYPT-LUKS2-77-cryptroot\n",
    "/sys/devices/dm-0/slaves/sda1": "",
    "/sys/devices/sda/sda1/partition": "1\n",
    "/sys/devices/sda/size": "9\n",
    "/sys/devices/sdb/size": "9\n",
    "/sys/devices/loop0/loop/backing_file": "/pool/image\n",
    "/sys/fs/btrfs/77/devices/sdb": "",
    "/sys/fs/btrfs/77/devices/dm-0": "",
}
LINKS = {
    "/sys/dev/block/253:2": "/sys/devices/dm-2",
    "/sys/dev/block/7:0": "/sys/devices/loop0",
    "/sys/devices/dm-2/slaves/dm-0": "/sys/devices/dm-0",
    "/sys/devices/dm-0/slaves/sda1": "/sys/devices/sda/sda1",
    "/sys/class/block/dm-0": "/sys/devices/dm-0",
    "/sys/class/block/sda1": "/sys/devices/sda/sda1",
    "/sys/class/block/sdb": "/sys/devices/sdb",
    "/dev/mapper/swap": "/dev/dm-0",
}
HEADER = "Filename Type Size Used Priority\n"


def look(source="/var/lib/docker/volumes/x/_data", swap="", files=None, commands=None):
    """Return the disks of a postgres that writes to a path of the host."""
    unit = {"service": "db", "role": "postgres", "id": "abc"}
    container = {
        "Id": "abc",
        "Mounts": [{"Source": source, "RW": True}, {"Source": "/opt/nself/init", "RW": False}],
    }
    known = dict(SYS, **{"/proc/self/mountinfo": MOUNTS, "/proc/swaps": HEADER + swap})
    known.update(files or {})
    host = FakeHost(known, links=LINKS, commands=commands)
    return disks.collect(host, Needing(project(running=[unit]), [container]))


def encrypted(**more):
    (item,) = look(**more)["volumes"]
    return item["encrypted"]


def test_encryption_is_found_below_lvm():
    assert look() == {
        "volumes": [
            {
                "service": "db",
                "path": "/var/lib/docker/volumes/x/_data",
                "on": "/dev/mapper/root",
                "encrypted": True,
            }
        ],
        "swap": [],
    }


def test_a_plain_disk_below_is_told():
    assert encrypted(files={"/sys/devices/dm-0/dm/uuid": "LVM-other\n"}) is False


def test_a_volume_over_two_disks_is_encrypted_where_both_are():
    assert encrypted(source="/pool/data") is False
    assert encrypted(source="/pool/data", files={"/sys/devices/sdb/dm/uuid": "CRYPT-PLAIN-x"}) is True


@pytest.mark.parametrize("answer, wanted", [("aes-256-gcm\n", True), ("off\n", False)])
def test_zfs_is_asked(answer, wanted):
    command = "zfs get -H -o value encryption tank/data"
    assert encrypted(source="/tank/pg", commands={command: answer}) is wanted


def test_an_image_is_as_encrypted_as_what_it_lies_on():
    assert encrypted(source="/image/pg") is False


@pytest.mark.parametrize("source", ["/layer/pg", "/gone/pg", "/tank/pg"])
def test_what_the_host_does_not_see_is_unread(source):
    assert isinstance(encrypted(source=source), Unread)


def test_rubbish_mounts_are_unread():
    assert isinstance(encrypted(files={"/proc/self/mountinfo": "rubbish"}), Unread)


def test_swap_is_followed_to_its_disk_and_zram_is_memory():
    areas = "/dev/zram0 partition 1 0 5\n/dev/mapper/swap partition 1 0 4\n/dev/sda1 partition 1 0 3\n/pool/swap file 1 0 2\n/dev/vdz partition 1 0 1\n"
    found = look(swap=areas)["swap"]
    assert [item["path"] for item in found] == ["/dev/mapper/swap", "/dev/sda1", "/pool/swap", "/dev/vdz"]
    assert [item["encrypted"] for item in found[:3]] == [True, False, False]
    assert isinstance(found[3]["encrypted"], Unread)


def test_rubbish_swap_is_unread():
    assert isinstance(look(files={"/proc/swaps": "rubbish"})["swap"], Unread)
