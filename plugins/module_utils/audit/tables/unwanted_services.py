# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units that a server of web services does not need: protocols without encryption, services for desktops and local networks.

By what the unit serves, so that the report can say why it is named. sockets and paths start their service on demand, so they
count as much as the service does.
"""

from __future__ import annotations

UNWANTED = (
    ("telnet", ("telnet.socket", "telnetd.service", "inetutils-telnetd.service")),
    ("rsh", ("rsh.socket", "rlogin.socket", "rexec.socket", "rsh-server.service")),
    ("ftp", ("vsftpd.service", "proftpd.service", "pure-ftpd.service", "ftpd.service")),
    ("tftp", ("tftpd-hpa.service", "atftpd.service", "tftp.socket", "tftp.service")),
    ("inetd", ("xinetd.service", "inetd.service", "openbsd-inetd.service", "inetutils-inetd.service")),
    ("talk", ("talk.socket", "ntalk.socket")),
    ("finger", ("finger.socket", "cfingerd.service")),
    ("nis", ("ypserv.service", "ypbind.service", "nis.service", "yppasswdd.service")),
    ("rpc", ("rpcbind.service", "rpcbind.socket")),
    ("nfs server", ("nfs-server.service",)),
    ("smb server", ("smbd.service", "nmbd.service")),
    ("snmp", ("snmpd.service",)),
    ("printing", ("cups.service", "cups.socket", "cups.path", "cups-browsed.service")),
    ("zeroconf", ("avahi-daemon.service", "avahi-daemon.socket")),
    ("dhcp server", ("isc-dhcp-server.service", "isc-dhcp-server6.service")),
    ("ldap server", ("slapd.service",)),
)
