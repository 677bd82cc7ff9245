# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bind published ports to loopback, apart from those that are meant to be public."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.ports import NEVER_PUBLIC_TEXT
from ansible_collections.nself.prod.plugins.module_utils.parse.proc_net import is_loopback

LOOPBACK = "127.0.0.1"
_EVERYWHERE = ("", "0.0.0.0", "::")


def bound(
    service: str, ports: Sequence[Mapping[str, Any]], raw: Sequence[Any], public: Sequence[str]
) -> Tuple[Optional[List[Any]], List[str]]:
    """Return (the ports as they are to be, None where they may stay; what is left to say).

    ports: as compose fills them in; raw: as the files say it, so that what is a variable stays one; public: ports of the host.
    """
    bad, left = [], []
    for place, port in enumerate(ports):
        address, published = str(port.get("host_ip") or ""), str(port.get("published") or "")
        good = published in public and str(port.get("target")) not in NEVER_PUBLIC_TEXT
        if good or (address and is_loopback(address)):
            continue
        if address in _EVERYWHERE or ipaddress.ip_address(address).is_global:
            bad.append(place)
        else:
            left.append(
                "%s publishes port %s on %s, which somebody chose; where that is meant, name the port in containers_published_ports"
                % (service, published or port.get("target"), address)
            )
    if not bad:
        return None, left
    out: List[Any] = []
    for place, port in enumerate(ports):
        # A range of the file is several ports here; then there is nothing to keep of it.
        entry = raw[place] if len(raw) == len(ports) else port
        out.append(_to_loopback(entry) if place in bad else entry)
    return out, left


def _to_loopback(entry: Any) -> Any:
    if isinstance(entry, Mapping):
        return dict(entry, host_ip=LOOPBACK)
    head, slash, protocol = str(entry).partition("/") if "${" not in str(entry) else _split_protocol(str(entry))
    parts = _split(head)
    published = parts[-2] if len(parts) > 1 else ""
    return "%s:%s:%s%s%s" % (LOOPBACK, published, parts[-1], slash, protocol)


def _split_protocol(text: str) -> Tuple[str, str, str]:
    found = re.match(r"(.*)(/)(tcp|udp|sctp)\Z", text)
    return (found.group(1), "/", found.group(3)) if found else (text, "", "")


def _split(text: str) -> List[str]:
    """Split a port at its colons, apart from those in ${…} and in brackets."""
    out, depth = [""], 0
    for letter in text:
        depth += (letter in "{[") - (letter in "}]")
        if letter == ":" and depth == 0:
            out.append("")
        else:
            out[-1] += letter
    return out
