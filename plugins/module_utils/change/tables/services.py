# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role services must never stop, and the other tables it needs. What it turns off: audit/tables/unwanted_services.py."""

from __future__ import annotations

# Units by the beginning of their name: without them nobody gets in, or the deployment stands still.
PROTECTED = (
    "NetworkManager",
    "cloud-",
    "cloudflared",
    "connman",
    "containerd",
    "cron",
    "dbus",
    "dhcpcd",
    "docker",
    "dropbear",
    "getty",
    "ifup@",
    "init",
    "iwd",
    "netbird",
    "netplan",
    "networking",
    "nftables",
    "nslcd",
    "openvpn",
    "podman",
    "qemu-guest-agent",
    "serial-getty",
    "session-",
    "ssh",
    "sssd",
    "sudo",
    "systemd-",
    "tailscaled",
    "ufw",
    "user@",
    "wg-quick",
    "winbind",
    "wpa_supplicant",
    "zerotier-one",
)

# Names in inetd.conf and xinetd.d, by kind in the table of the audit.
INETD_NAMES = {
    "telnet": ("telnet", "telnets"),
    "rsh": ("shell", "login", "exec", "rsh", "rlogin", "rexec"),
    "ftp": ("ftp", "ftps"),
    "tftp": ("tftp",),
    "talk": ("talk", "ntalk"),
    "finger": ("finger", "cfinger"),
}

# Daemons that keep the clock, the one to prefer first.
CLOCKS = (
    "chrony.service",
    "ntpsec.service",
    "systemd-timesyncd.service",
    "ntp.service",
    "openntpd.service",
)
CLOCK_PACKAGE = "systemd-timesyncd"
