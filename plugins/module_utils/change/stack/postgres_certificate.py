# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate for PostgreSQL that somebody gives: by path or as text, judged before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, List, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import certificates
from ansible_collections.nself.prod.plugins.module_utils.change.changes import text_of
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_clients import MODES


@dataclass
class Given:
    """What the server shows. chain, key: PEM, "" where they stay where they are; authorities: PEM, "" where clients know them anyway.

    names: whom the certificate is for.
    """

    chain: str = ""
    key: str = ""
    authorities: str = ""
    names: Tuple[str, ...] = ()
    left: List[str] = field(default_factory=list)


def given(
    host: Any, certificate: str, key: str, authorities: str, wanted: Sequence[str], mode: str, what: str
) -> Given:
    """Return a certificate that was given, or that the server has of its own (key: ""). Raises Refused for one that would not work.

    certificate, key, authorities: paths on the host, or PEM text; wanted: names that clients use, the service's own first.
    """
    own = what != "certificate"
    if not own and not (certificate and key):
        raise Refused("certificate and key belong together: give both, or neither for one that is made")
    chain, secret, roots = _text(host, certificate, what), _text(host, key, "key"), _text(host, authorities, "ca")
    leaf = certificates.read(chain, what)[0]
    now = host.now()
    if leaf.not_after <= now or leaf.not_before > now:
        raise Refused("%s is not valid today; give a new one" % what)
    out = Given(chain, secret, roots, leaf.names)
    left = certificates.days_left(leaf, now)
    if left < certificates.RENEW_DAYS:
        out.left.append("%s ends in %d days; give a new one and run again" % (what, left))
    if not own and not certificates.OpenSsl(host).fit(certificates.Pair(chain, secret)):
        raise Refused("key is not the certificate's, or has a passphrase; PostgreSQL could not start with it")
    if roots:
        certificates.read(roots, "ca")
        if not certificates.OpenSsl(host).vouches(roots, chain):
            raise Refused("ca does not vouch for %s" % what)
    if mode == MODES[-1] and not certificates.covers(leaf, wanted[:1]):
        raise Refused(
            "%s is not for the name %s, by which the clients come: verify-full would refuse it" % (what, wanted[0])
        )
    return out


def _text(host: Any, value: str, what: str) -> str:
    """Return PEM text that was given as such or as a path."""
    if not value or "-----BEGIN " in value:
        return value.strip() + "\n" if value else ""
    text = text_of(host, value)
    if text is None:
        raise Refused("%s: %s is not there" % (what, value))
    return text
