# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host: firewall, fail2ban, updates, kernel settings, services, accounts, Docker's engine."""

from __future__ import annotations

from truth.mutation import Mutation, fails, file

# The last of apt.conf.d to be read, so it breaks a host that the role hardened too.
AUTO_UPGRADES = "/etc/apt/apt.conf.d/zz-nself-prod.conf"


def unit(name, service, command, *checks):
    """A service of the host that should not be there."""
    path = "/etc/systemd/system/%s.service" % service
    text = "[Service]\nExecStart=%s\n[Install]\nWantedBy=multi-user.target" % command
    return Mutation(
        name,
        "put %s <<'END'\n%s\nEND\nsystemctl daemon-reload\nsystemctl start %s.service\nsleep 1" % (path, text, service),
        "systemctl stop %s.service\nback %s\nsystemctl daemon-reload" % (service, path),
        fails(*checks),
    )


def kernel(name, value, good, *checks):
    key = "/proc/sys/" + name.replace(".", "/")
    return Mutation("%s=%s" % (name, value), "echo %s >%s" % (value, key), "echo %s >%s" % (good, key), fails(*checks))


MUTATIONS = (
    Mutation(
        "the firewall lets all in",
        "ufw default allow incoming",
        "ufw default deny incoming",
        fails("INFRA-01", "INFRA-02"),
        lean=True,
    ),
    Mutation("the firewall is off", "ufw disable", "ufw --force enable", fails("INFRA-01", "INFRA-02")),
    Mutation("the firewall opens the database", "ufw allow 5432/tcp", "ufw delete allow 5432/tcp", fails("INFRA-02")),
    Mutation(
        "IPv6 is let in",
        "sysctl -q -w net.ipv6.conf.eth0.disable_ipv6=0\nip -6 addr add 2001:db8::5/64 dev eth0 nodad\nip6tables -I INPUT -j ACCEPT",
        "ip6tables -D INPUT -j ACCEPT\nip -6 addr del 2001:db8::5/64 dev eth0\nsysctl -q -w net.ipv6.conf.eth0.disable_ipv6=1",
        fails("INFRA-02", "INFRA-03"),
    ),
    unit("a port is public", "cache", "/bin/busybox nc -ll -p 6379 -e /bin/cat", "NET-25"),
    unit("telnet is served", "telnetd", "/bin/busybox telnetd -F -p 23", "NET-25", "INFRA-27"),
    Mutation(
        "fail2ban is stopped",
        "systemctl stop fail2ban.service",
        "systemctl start fail2ban.service\nwait_for 30 fail2ban-client ping\nsleep 2",
        fails("INFRA-13", "INFRA-17", "INFRA-18"),
    ),
    Mutation(
        "fail2ban bans for a minute",
        "fail2ban-client set sshd bantime 30",
        "fail2ban-client set sshd bantime 3600",
        fails("INFRA-17"),
    ),
    Mutation("updates are off", *file(AUTO_UPGRADES, 'APT::Periodic::Unattended-Upgrade "0";'), fails("INFRA-19")),
    Mutation(
        "the last update was long ago",
        "keep /var/lib/apt/periodic/upgrade-stamp\ntouch -d '40 days ago' /var/lib/apt/periodic/upgrade-stamp",
        "back /var/lib/apt/periodic/upgrade-stamp",
        fails("INFRA-19"),
    ),
    Mutation(
        "a security update is due",
        "edit /var/lib/dpkg/status '/^Package: nself-prod-test-package$/,/^$/ s/^Version: 1[.]1$/Version: 1.0/'",
        "back /var/lib/dpkg/status",
        fails("INFRA-20"),
    ),
    Mutation(
        "the release is not supported any more",
        "keep /usr/lib/os-release\nsed -i 's/^VERSION_ID=.*/VERSION_ID=\"10\"/' /usr/lib/os-release",
        "back /usr/lib/os-release",
        fails("INFRA-21"),
    ),
    kernel("net.ipv4.conf.eth0.send_redirects", 1, 0, "INFRA-25"),
    kernel("net.ipv4.tcp_syncookies", 0, 1, "INFRA-25"),
    Mutation(
        "a second root",
        "keep /etc/passwd\nkeep /etc/shadow\nuseradd -o -u 0 -M -N toor",
        "back /etc/passwd /etc/shadow",
        fails("INFRA-28"),
    ),
    Mutation(
        "an account without a password",
        "keep /etc/shadow\nusermod -p '' visitor",
        "back /etc/shadow",
        fails("INFRA-28"),
    ),
    Mutation("sudo asks nobody", *file("/etc/sudoers.d/visitor", "visitor ALL=(ALL) NOPASSWD: ALL"), fails("INFRA-28")),
    Mutation(
        "Docker's socket is open",
        "chmod 0666 /run/docker.sock",
        "chmod 0660 /run/docker.sock",
        fails("INFRA-29"),
        lean=True,
    ),
    Mutation(
        "anybody is in the group docker",
        "keep /etc/group\nkeep /etc/gshadow\nusermod -aG docker visitor",
        "back /etc/group /etc/gshadow",
        fails("INFRA-29"),
    ),
    Mutation(
        "a registry is trusted in clear",
        'edit /etc/docker/daemon.json \'s/^\\{/{"insecure-registries": ["10.9.9.9:5000"], /\'\nsystemctl reload docker\nsleep 1',
        # A reload forgets no registry; containers live on.
        "back /etc/docker/daemon.json\nsystemctl restart docker\nwait_for 30 docker info",
        fails("INFRA-30"),
    ),
)
