# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux capabilities of containers: what Docker grants, how the kernel numbers them, and what each service needs."""

from __future__ import annotations

from typing import List

# What Docker leaves a container when nothing is said (moby oci/caps/defaults.go).
DOCKER_DEFAULT = (
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
)

# The kernel's numbers (linux/capability.h): bit n of CapEff in /proc/<pid>/status is NAMES[n].
NAMES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
    "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM "
    "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()

# What a role's service works with once everything is dropped (tried on a live stack with no-new-privileges and a read-only root).
NEEDED = {
    "postgres": {"CHOWN", "SETUID", "SETGID", "IPC_LOCK"},
    "nginx": {"NET_BIND_SERVICE", "DAC_READ_SEARCH", "CHOWN", "SETUID", "SETGID"},
    "minio": {"CHOWN", "SETUID", "SETGID"},
    # They are there to read what belongs to others, and read as root without being able to write it.
    "promtail": {"DAC_READ_SEARCH"},
    "cadvisor": {"DAC_READ_SEARCH"},
}
# Containers that run once to hand a volume to another user.
INIT = {"CHOWN", "FOWNER", "DAC_READ_SEARCH"}


def from_mask(mask: str) -> List[str]:
    """Return the names of a hexadecimal capability mask as /proc prints it. A bit without a name is its number."""
    bits = int(mask, 16)
    return [NAMES[bit] if bit < len(NAMES) else "CAP_%d" % bit for bit in range(bits.bit_length()) if bits >> bit & 1]
