# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that no mutation turns on a live host here, and why. A test holds this table and the mutations together."""

UNPROVEN = {
    "DATA-12": "the image holds one PostgreSQL, and its version is what the server says: another would have to be installed",
    "DATA-25": "a test must not encrypt the disk of the machine that runs it, and a container gets no device mapper: it fails here, rightly",
    "INFRA-22": "the clock belongs to the machine below the container, and no time server can be reached",
    "INFRA-24": "auditd cannot run in a container: the kernel has one audit, and it is the machine's",
    "INFRA-26": "these settings are the whole machine's: a test must not change the kernel of whoever runs it",
}
