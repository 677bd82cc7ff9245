# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where security updates come from, and how unattended-upgrades is set."""

from __future__ import annotations

# By the ID of os-release. What they do not name, point releases and other archives, is installed by hand.
ORIGINS = {
    "debian": (
        "origin=Debian,codename=${distro_codename}-security,label=Debian-Security",
        "origin=Debian,codename=${distro_codename},label=Debian-Security",
    ),
    "ubuntu": (
        "origin=Ubuntu,archive=${distro_codename}-security",
        "origin=UbuntuESMApps,archive=${distro_codename}-apps-security",
        "origin=UbuntuESM,archive=${distro_codename}-infra-security",
    ),
}

# Lists of others that are emptied: they would let in more than security updates, leave out most of them, or put them off.
CLEARED = (
    "Unattended-Upgrade::Allowed-Origins",
    "Unattended-Upgrade::Origins-Pattern",
    "Unattended-Upgrade::Package-Whitelist",
    "Unattended-Upgrade::Update-Days",
)

# What does not depend on an option.
SETTINGS = (
    ("APT::Periodic::Enable", "1"),
    ("APT::Periodic::Update-Package-Lists", "1"),
    ("APT::Periodic::Unattended-Upgrade", "1"),
    ("APT::Periodic::AutocleanInterval", "7"),
    ("Unattended-Upgrade::Package-Whitelist-Strict", "false"),
    # In small steps, so that a shutdown in between leaves no half-installed package.
    ("Unattended-Upgrade::MinimalSteps", "true"),
    ("Unattended-Upgrade::InstallOnShutdown", "false"),
    ("Unattended-Upgrade::AutoFixInterruptedDpkg", "true"),
)

# Perl. In list mode it restarts nothing by itself; Docker it does not even offer.
NEEDRESTART = """$nrconf{restart} = 'l';
$nrconf{override_rc}{qr(^(?:docker|containerd)\\.service$)} = 0;
"""
