# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why another tool and the audit rightly disagree: (tool, its test, our check) -> the reason."""

NOTES = {
    (
        "Lynis",
        "TIME-3104",
        "INFRA-22",
    ): "Lynis looks for a time service that runs; we ask the kernel whether the clock is synchronized, and a container's is not",
    ("Lynis", "ACCT-9628", "INFRA-24"): "auditd cannot run in a container, so we do not ask for it",
    ("Lynis", "SSH-7408", "INFRA-13"): "Lynis wants another port than 22; for us a jail in front of port 22 is as good",
    (
        "Lynis",
        "KRNL-6000 kernel.unprivileged_bpf_disabled",
        "INFRA-26",
    ): "2 is as closed as 1, and can be opened again by root only; Lynis wants exactly 1",
    (
        "Lynis",
        "FIRE-4590",
        "INFRA-01",
    ): "Lynis is content with any rules, and Docker writes some; we ask whether what is not allowed is denied",
    (
        "Lynis",
        "PKGS-7420",
        "INFRA-19",
    ): "Lynis asks whether the tool is installed; we ask whether it is on and has succeeded",
    ("Lynis", "SSH-7408", "INFRA-07"): "Lynis lets root in by key; the catalogue does not",
    ("Lynis", "SSH-7408", "INFRA-11"): "Lynis allows 120 seconds, the catalogue 60",
}
