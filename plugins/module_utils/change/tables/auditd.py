# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel's audit records, and how its daemon meets a full disk. The project's folder comes on top (change/auditd_rules.py).

Not here on purpose: /var/lib/docker, every program that is started, and whatever data services write, which would flood the log.
"""

from __future__ import annotations

# key, paths: writes and changes of attributes, in directories for all that is below. A path that a host lacks is left out.
WATCHED = (
    (
        "identity",
        (
            "/etc/passwd",
            "/etc/shadow",
            "/etc/group",
            "/etc/gshadow",
            "/etc/security/opasswd",
            "/etc/subuid",
            "/etc/subgid",
        ),
    ),
    ("sudoers", ("/etc/sudoers", "/etc/sudoers.d")),
    ("ssh", ("/etc/ssh", "/root/.ssh")),
    (
        "docker",
        (
            "/etc/docker",
            "/etc/containerd",
            "/etc/default/docker",
            "/usr/bin/dockerd",
            "/usr/sbin/dockerd",
            "/usr/bin/containerd",
            "/usr/bin/docker",
            "/usr/bin/runc",
            "/usr/sbin/runc",
            "/usr/lib/systemd/system/docker.service",
            "/usr/lib/systemd/system/docker.socket",
            "/run/docker.sock",
        ),
    ),
    ("units", ("/etc/systemd/system",)),
    ("time", ("/etc/localtime",)),
    ("modules", ("/etc/modprobe.d", "/etc/modules", "/etc/modules-load.d")),
    ("audit", ("/etc/audit", "/etc/nself-prod")),
)

# What is watched whether or not it is there yet: the run that installs auditd makes it.
ALWAYS = ("/etc/audit", "/etc/nself-prod")
FOLDER = "/etc/nself-prod"
# What comes and goes, and is watched where the other path is there.
COMES_WITH = {"/run/docker.sock": "/usr/lib/systemd/system/docker.socket"}

# key, system calls, further fields. Daemons that keep the clock adjust it all day long, and belong to no login.
CALLS = (
    ("time", ("settimeofday", "clock_settime"), ()),
    ("time", ("adjtimex", "clock_adjtime"), ("auid>=1000", "auid!=unset")),
    ("modules", ("init_module", "finit_module", "delete_module"), ()),
)

# What of a project's folder is data, which its services write all the time, by the name of the folder.
DATA = (".volumes", "_backups", "backups", "cache", "data", "logs", "node_modules", "tmp", "volumes")
# What of it is never taken out, although a container may be able to write it.
CONFIGURATION = ("certs", "nginx", "secrets", "ssl")

# setting of auditd.conf, what it is set to, what is as good. Nothing may stop the host because of its log.
DAEMON = (
    ("max_log_file_action", "ROTATE", ("rotate",)),
    ("space_left_action", "SYSLOG", ("syslog", "rotate", "email", "exec")),
    ("admin_space_left_action", "SUSPEND", ("suspend", "rotate", "syslog", "email", "exec")),
    ("disk_full_action", "SUSPEND", ("suspend", "rotate", "syslog", "exec")),
    ("disk_error_action", "SUSPEND", ("suspend", "syslog", "exec")),
)

RULES_DIR = "/etc/audit/rules.d"
RULES = "50-nself-prod.rules"
CONFIG = "/etc/audit/auditd.conf"
BACKLOG = 8192
