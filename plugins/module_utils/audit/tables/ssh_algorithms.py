# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH algorithms and key types that are too weak to offer.

Sources: the fail level of ssh-audit 3.9 (its ssh2_kexdb), the release notes of OpenSSH that switched the same algorithms off
(6.7, 6.9, 7.0, 7.6, 8.8, 10.0), CIS Ubuntu 24.04 5.1.6 and CVE-2008-5161 for CBC, CVE-2023-48795 for Terrapin. What ssh-audit
only warns of (64-bit tags, encrypt-and-MAC, 2048-bit groups, no post-quantum exchange) is not in here. Sets are compared: the
order of preference is the client's in SSH (RFC 4253 7.1), so the server's proves nothing.
"""

from __future__ import annotations

import re
from typing import Iterable, List, Optional, Tuple

# (expression on a lower-case name, why). The first that matches gives the reason. Names are written as families, since each
# comes with -etm, -96, -cert-v01 and gss- variants.
WEAK = tuple(
    (re.compile(expression), why)
    for expression, why in (
        (r"^none$", "no protection at all"),
        (r"group1-|rsa1024", "1024-bit group"),  # Logjam; off since OpenSSH 6.9
        (r"md5", "MD5"),
        (r"ripemd", "RIPEMD-160"),
        (r"sha1(?!\d)", "SHA-1"),
        (r"^ssh-rsa($|-cert)|^x509v3-(ssh|sign)-rsa$", "SHA-1 signatures"),  # rsa-sha2-* use the same key well
        (r"(^|-)dss", "DSA, 1024 bits"),  # removed in OpenSSH 10.0
        (r"3des|^des\b|^idea|^seed|rijndael|serpent", "outdated cipher"),
        (r"arcfour|rc4", "RC4"),
        (r"blowfish|cast128", "64-bit blocks"),
        (r"cbc", "CBC mode"),  # plaintext recovery, CVE-2008-5161; off since OpenSSH 6.7
        (
            r"nist[pkbt]\d",
            "NIST curve",
        ),  # unexplained constants; ssh-audit fails them, and Ed25519 and X25519 are everywhere
        (r"^ecdh-sha2-(?!curve25519)|^ecmqv|sm2kep|gost|grasshopper|crypticore|xmss", "unproven algorithm"),
    )
)

STRICT_KEX = "kex-strict-s-v00@openssh.com"
# What lets a man in the middle cut messages off the start of a session where strict key exchange is not offered.
TERRAPIN = re.compile(r"^chacha20-poly1305|-etm@openssh\.com$")

# Host and user keys: RSA by its size, else only these. An ECDSA key leaks through biased nonces and rests on a NIST curve.
STRONG_KEYS = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ssh-mldsa44-ed25519@openssh.com")
RSA_KEY = "ssh-rsa"


def weakness(name: str) -> Optional[str]:
    """Return why an algorithm is weak, or None."""
    name = name.lower()
    if name.startswith("gss-"):
        name = name.rpartition("-")[0]  # the last part is a hash of a mechanism, which may spell anything
    return next((why for expression, why in WEAK if expression.search(name)), None)


def weak(names: Iterable[str]) -> List[Tuple[str, str]]:
    """Return (name, why) of each weak algorithm."""
    return [(name, why) for name in names for why in [weakness(name)] if why]
