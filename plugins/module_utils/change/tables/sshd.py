# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of sshd's settings: the ones that are always set, how they add up, which value is the stricter one.

Sources: sshd_config(5) of OpenSSH 8.4 to 10.0, servconf.c for what adds up, ssh-audit for the order of the algorithms.
"""

from __future__ import annotations

from typing import Dict, Tuple

CONFIG = "/etc/ssh/sshd_config"
DROP_IN = "/etc/ssh/sshd_config.d/00-nself-prod.conf"
INCLUDE = "/etc/ssh/sshd_config.d/*.conf"
SOCKET_DROP_IN = "/etc/systemd/system/%s.d/00-nself-prod.conf"
ED25519_KEY = "/etc/ssh/ssh_host_ed25519_key"
RSA_MIN_BITS = 3072
# What stands before a line that was taken out of force, in any file.
MARKER = "# nself.prod: "

# Options of the module that stand for one directive each, in the order in which they are written.
TYPED = (
    ("permit_root_login", "PermitRootLogin"),
    ("password_authentication", "PasswordAuthentication"),
    ("kbd_interactive_authentication", "KbdInteractiveAuthentication"),
    ("max_auth_tries", "MaxAuthTries"),
    ("login_grace_time", "LoginGraceTime"),
    ("allow_tcp_forwarding", "AllowTcpForwarding"),
    ("client_alive_interval", "ClientAliveInterval"),
    ("client_alive_count_max", "ClientAliveCountMax"),
)
# Before OpenSSH 8.7 keyboard-interactive had this name too, and either one turned it on.
OLD_KEYBOARD = "ChallengeResponseAuthentication"

# Directives without an option of their own; `settings` may give them another value or take them out.
BASE = (
    ("PubkeyAuthentication", "yes"),
    ("PermitEmptyPasswords", "no"),
    ("HostbasedAuthentication", "no"),
    ("IgnoreRhosts", "yes"),
    ("UsePAM", "yes"),
    ("StrictModes", "yes"),
    ("PermitUserEnvironment", "no"),
    ("X11Forwarding", "no"),
    ("AllowAgentForwarding", "no"),
    ("AllowStreamLocalForwarding", "no"),
    ("PermitTunnel", "no"),
    ("GatewayPorts", "no"),
    ("MaxSessions", "10"),
    ("MaxStartups", "10:30:60"),
    ("LogLevel", "VERBOSE"),
)

# (option of the module, directive, what `ssh -Q` is asked for).
ALGORITHMS = (
    ("kex_algorithms", "KexAlgorithms", "kex"),
    ("host_key_algorithms", "HostKeyAlgorithms", "key-sig"),
    ("ciphers", "Ciphers", "cipher"),
    ("macs", "MACs", "mac"),
)

# Directives that `settings` must not name, since an option says it or since they are no settings.
OPTION_OF: Dict[str, str] = {keyword.lower(): option for option, keyword in TYPED}
OPTION_OF.update((keyword.lower(), option) for option, keyword, _query in ALGORITHMS)
OPTION_OF.update(
    {
        "challengeresponseauthentication": "kbd_interactive_authentication",
        "allowusers": "allow_users",
        "allowgroups": "allow_groups",
        "port": "ports",
        "hostkey": "host_keys",
    }
)
NO_SETTINGS = ("include", "match")

# Other names of the same setting; sshd -T prints the second.
ALIASES = {
    "challengeresponseauthentication": "kbdinteractiveauthentication",
    "skeyauthentication": "kbdinteractiveauthentication",
    "pubkeyacceptedkeytypes": "pubkeyacceptedalgorithms",
    "hostbasedacceptedkeytypes": "hostbasedacceptedalgorithms",
    "keepalive": "tcpkeepalive",
}

# The first value of a setting wins, but each further line of these adds to what there is …
ADDED = ("acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "hostcertificate", "hostkey", "setenv")
# … and of these a second line with the same value is an error, or binds a second socket.
ONCE = ("listenaddress", "port", "subsystem")
# What others add to these takes nothing from what is wished for here.
HARMLESS = ("acceptenv", "setenv", "hostcertificate", "denyusers", "denygroups")

_NO_FIRST = {"no": 0, "yes": 1}
_YES_FIRST = {"yes": 0, "no": 1}
# {setting: {value: rank}}: a lower rank is the stricter one.
RANKS: Dict[str, Dict[str, int]] = {
    "permitrootlogin": {
        "no": 0,
        "forced-commands-only": 1,
        "without-password": 2,
        "prohibit-password": 2,
        "yes": 3,
    },
    "allowtcpforwarding": {"no": 0, "local": 1, "remote": 1, "yes": 2, "all": 2},
    "allowstreamlocalforwarding": {"no": 0, "local": 1, "remote": 1, "yes": 2, "all": 2},
    "permittunnel": {"no": 0, "point-to-point": 1, "ethernet": 1, "yes": 2},
    "gatewayports": {"no": 0, "clientspecified": 1, "yes": 2},
    "ignorerhosts": {"yes": 0, "shosts-only": 1, "no": 2},
    "strictmodes": _YES_FIRST,
}
RANKS.update(
    dict.fromkeys(
        (
            "allowagentforwarding",
            "hostbasedauthentication",
            "kbdinteractiveauthentication",
            "passwordauthentication",
            "permitemptypasswords",
            "permituserenvironment",
            "x11forwarding",
        ),
        _NO_FIRST,
    )
)
# Numbers of which the smaller is the stricter; of the second kind 0 means without end.
SMALLER: Tuple[str, ...] = ("maxauthtries", "maxsessions")
SMALLER_NOT_ZERO: Tuple[str, ...] = ("clientaliveinterval", "clientalivecountmax", "logingracetime")
