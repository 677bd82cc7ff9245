# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that a server of web applications has no use for: protocols in the clear, services for desktops and local networks.

By what they serve, so that the report can say why one is named: units, process names as the kernel keeps them (15 characters)
and well-known ports. sockets and paths start their service on demand, so they count as much as the service does.
"""

from __future__ import annotations

UNWANTED = (
    (
        "telnet",
        ("telnet.socket", "telnetd.service", "inetutils-telnetd.service"),
        ("telnetd", "in.telnetd"),
        ("tcp 23",),
    ),
    (
        "rsh",
        ("rsh.socket", "rlogin.socket", "rexec.socket", "rsh-server.service"),
        ("rshd", "in.rshd", "rlogind", "in.rlogind", "rexecd", "in.rexecd"),
        ("tcp 512", "tcp 513", "tcp 514"),
    ),
    (
        "ftp",
        ("vsftpd.service", "proftpd.service", "pure-ftpd.service", "ftpd.service"),
        ("vsftpd", "proftpd", "pure-ftpd", "ftpd", "in.ftpd"),
        ("tcp 21",),
    ),
    (
        "tftp",
        ("tftpd-hpa.service", "atftpd.service", "tftp.socket", "tftp.service"),
        ("in.tftpd", "tftpd", "atftpd"),
        ("udp 69",),
    ),
    (
        "inetd",
        ("xinetd.service", "inetd.service", "openbsd-inetd.service", "inetutils-inetd.service"),
        ("xinetd", "inetd", "inetutils-inetd"),
        (),
    ),
    ("talk", ("talk.socket", "ntalk.socket"), ("in.talkd", "in.ntalkd", "talkd"), ("udp 517", "udp 518")),
    ("finger", ("finger.socket", "cfingerd.service"), ("in.fingerd", "cfingerd"), ("tcp 79",)),
    (
        "nis",
        ("ypserv.service", "ypbind.service", "nis.service", "yppasswdd.service"),
        ("ypserv", "ypbind", "rpc.yppasswdd"),
        (),
    ),
    ("rpc", ("rpcbind.service", "rpcbind.socket"), ("rpcbind",), ("tcp 111", "udp 111")),
    ("nfs server", ("nfs-server.service",), ("rpc.mountd",), ("tcp 2049",)),
    ("smb server", ("smbd.service", "nmbd.service"), ("smbd", "nmbd"), ("tcp 445", "tcp 139")),
    ("snmp", ("snmpd.service",), ("snmpd",), ("udp 161",)),
    (
        "printing",
        ("cups.service", "cups.socket", "cups.path", "cups-browsed.service"),
        ("cupsd", "cups-browsed"),
        ("tcp 631", "udp 631"),
    ),
    ("zeroconf", ("avahi-daemon.service", "avahi-daemon.socket"), ("avahi-daemon",), ("udp 5353",)),
    ("dhcp server", ("isc-dhcp-server.service", "isc-dhcp-server6.service"), ("dhcpd",), ("udp 67",)),
    ("ldap server", ("slapd.service",), ("slapd",), ("tcp 389",)),
)
