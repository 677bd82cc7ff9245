# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private certification authority and the server certificates that it issues, by the host's own openssl.

A private key goes through pipes only: it is on no command line and in no file before its owner writes it with the right access.
What is public stands for a moment in a private folder, for openssl reads some things from files only.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.parse import x509

DAY = 86400
CA_DAYS = 3650
LEAF_DAYS = 825  # what clients of every kind take
RENEW_DAYS = 30
CA_RENEW_DAYS = 90
BACKDATED = 3600  # seconds: a client's clock may be behind

_CA = """
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
string_mask = utf8only
[name]
CN = %(subject)s
[extensions]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""
_LEAF = """
[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
CN = %(subject)s
[extensions]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = %(names)s
"""


@dataclass(frozen=True)
class Pair:
    """A certificate, or a chain that begins with it, and its private key, both PEM."""

    certificate: str
    key: str


class OpenSsl:
    """The host's openssl. Raises Refused where there is none, ChangeError where it fails."""

    def __init__(self, host: Any) -> None:
        self.host = host
        if host.which("openssl") is None:
            raise Refused("certificates are made by openssl, which is not on this host; install the package openssl")

    def key(self) -> str:
        """Return a new private key: P-256, which every client of PostgreSQL takes and SCRAM's channel binding works with."""
        return self._ask(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])

    def authority(self, subject: str) -> Pair:
        """Return a new certification authority of its own."""
        key = self.key()
        with _Folder() as folder:
            config = folder.put("ca.cnf", _CA % {"subject": subject})
            argv = ["req", "-new", "-x509", "-sha256", "-config", config, "-key", "/dev/stdin", "-days", str(CA_DAYS)]
            return Pair(self._ask(argv + ["-set_serial", _serial()], key), key)

    def issue(self, authority: Pair, names: Sequence[str], days: int) -> Pair:
        """Return a new server certificate for names and addresses; the authority's own follows it."""
        key = self.key()
        with _Folder() as folder:
            config = folder.put("leaf.cnf", _LEAF % {"subject": _common_name(names), "names": alt_names(names)})
            request = self._ask(["req", "-new", "-sha256", "-config", config, "-key", "/dev/stdin"], key)
            argv = ["x509", "-req", "-sha256", "-in", folder.put("request.pem", request)]
            argv += ["-CA", folder.put("ca.pem", authority.certificate), "-CAkey", "/dev/stdin", "-days", str(days)]
            argv += ["-set_serial", _serial(), "-extfile", config, "-extensions", "extensions"]
            return Pair(self._ask(argv, authority.key) + authority.certificate, key)

    def fit(self, pair: Pair) -> bool:
        """Tell whether a key is the certificate's. False also for what is no key, or one with a passphrase."""
        done = self.host.run(["openssl", "pkey", "-pubout", "-passin", "pass:"], timeout=20.0, stdin=pair.key)
        of_certificate = self.host.run(
            ["openssl", "x509", "-pubkey", "-noout"], timeout=20.0, stdin=first_of(pair.certificate)
        )
        return done.rc == 0 and of_certificate.rc == 0 and done.out.split() == of_certificate.out.split()

    def vouches(self, authorities: str, chain: str) -> bool:
        """Tell whether a server's chain leads to one of the authorities, now."""
        with _Folder() as folder:
            argv = ["openssl", "verify", "-purpose", "sslserver", "-no-CAfile", "-no-CApath"]
            argv += ["-CAfile", folder.put("ca.pem", authorities), "-untrusted", folder.put("chain.pem", chain)]
            return bool(self.host.run(argv, timeout=20.0, stdin=first_of(chain)).rc == 0)

    def _ask(self, argv: Sequence[str], stdin: str = "") -> str:
        return str(command(self.host, ["openssl"] + list(argv), timeout=20.0, stdin=stdin).out)


class _Folder:
    """A private folder, gone afterwards, for what openssl reads from files and is no secret."""

    def __enter__(self) -> "_Folder":
        self.path = tempfile.mkdtemp(prefix="nself-prod-")
        return self

    def __exit__(self, *unused: object) -> None:
        shutil.rmtree(self.path)

    def put(self, name: str, text: str) -> str:
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
        return path


def _serial() -> str:
    return "0x" + secrets.token_hex(16)[1:]  # 20 octets at most, and never negative


def _common_name(names: Sequence[str]) -> str:
    return next((name for name in names if len(name) <= 64), "postgres")


def alt_names(names: Sequence[str]) -> str:
    """Return names and addresses as openssl's subjectAltName takes them."""
    return ", ".join(("IP:" if is_address(name) else "DNS:") + name for name in names)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def first_of(chain: str) -> str:
    """Return the first certificate of PEM text."""
    end = "-----END CERTIFICATE-----"
    return chain.split(end)[0] + end + "\n" if end in chain else chain


def read(text: str, what: str) -> List[x509.Certificate]:
    """Return the certificates of PEM text. Raises Refused; what: where the text comes from."""
    try:
        found = [x509.parse(der) for der in x509.certificates_of(text)]
    except ValueError as error:
        raise Refused("%s: %s" % (what, error)) from None
    if not found:
        raise Refused("%s holds no certificate (PEM)" % what)
    return found


def der_of(text: str) -> bytes:
    """Return the first certificate of PEM text, DER."""
    return x509.certificates_of(text)[0]


def days_left(certificate: x509.Certificate, now: float) -> int:
    """Return for how many whole days a certificate is still valid; below zero where it is not any more."""
    return int((certificate.not_after - now) // DAY)


def covers(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Tell whether a certificate is for each of the names."""
    return all(any(_fits(pattern, name) for pattern in certificate.names) for name in names)


def _fits(pattern: str, name: str) -> bool:
    if is_address(name):
        return is_address(pattern) and ipaddress.ip_address(pattern) == ipaddress.ip_address(name)
    pattern, name = pattern.lower(), name.lower()
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name


def maintained(
    host: Any, old: Dict[str, Optional[str]], subject: str, names: Sequence[str]
) -> Tuple[Pair, Pair, List[str]]:
    """Return (authority, server pair, what was made anew and why) so that unchanged files stay as they are.

    old: {"ca.crt", "ca.key", "server.crt", "server.key": text or None}; names: the certificate's names and addresses.
    """
    tool, now, told = OpenSsl(host), host.now(), []
    authority = Pair(old["ca.crt"] or "", old["ca.key"] or "")
    why = _due(tool, authority, now, CA_RENEW_DAYS)
    if why:
        authority = tool.authority("%s %s" % (subject, secrets.token_hex(4)))
        told.append("a private certification authority is made: %s" % why)
    leaf = Pair(old["server.crt"] or "", old["server.key"] or "")
    why = "its authority is new" if why and leaf.certificate else _due(tool, leaf, now, RENEW_DAYS)
    if not why and not covers(read(leaf.certificate, "server.crt")[0], names):
        why = "it is not for all of %s" % ", ".join(names)
    if not why and not tool.vouches(authority.certificate, leaf.certificate):
        why = "the authority there is does not vouch for it"
    if why:
        left = days_left(read(authority.certificate, "ca.crt")[0], now)
        leaf = tool.issue(authority, names, min(LEAF_DAYS, left))
        told.append("a certificate for %s is made: %s" % (", ".join(names), why))
    return authority, leaf, told


def _due(tool: OpenSsl, pair: Pair, now: float, days: int) -> str:
    """Return why a pair has to be made anew; "" where it is good."""
    if not pair.certificate or not pair.key:
        return "there is none yet"
    try:
        certificate = read(pair.certificate, "the certificate there is")[0]
    except Refused as error:
        return str(error)
    if days_left(certificate, now) < days:
        return "the one there is ends in %d days" % days_left(certificate, now)
    if certificate.not_before > now + BACKDATED:
        return "the one there is begins in the future"
    return "" if tool.fit(pair) else "its key is another one's"
