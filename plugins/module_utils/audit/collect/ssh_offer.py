# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an SSH server offers on the wire before anybody logs in: its version and its key-exchange lists."""

from __future__ import annotations

import struct
from typing import Any, Dict, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import ssh_wire

OUR_VERSION = b"SSH-2.0-nself.prod_audit\r\n"
GREETING_LINES = 50  # a server may say something before its version (RFC 4253 4.2)
# A wildcard listener is asked on the loopback; [::] of systemd also takes IPv4, [::] of sshd does not.
LOOPBACK = {"0.0.0.0": ("127.0.0.1",), "*": ("127.0.0.1",), "::": ("127.0.0.1", "::1")}


def read_offer(host: Any, listens: Sequence[Tuple[str, int]]) -> Dict[str, Any]:
    """Return {software, kex, host_keys, ciphers, macs} of the first listener that answers. Raises HostError where none does."""
    targets = []
    for address, port in listens:
        targets += [(target, port) for target in LOOPBACK.get(address, (address,)) if (target, port) not in targets]
    failed = HostError(Reason.ERROR, "sshd", "has no address to listen on")
    for address, port in targets:
        try:
            return _ask(host, address, port)
        except HostError as error:
            failed = error
    raise failed


def _ask(host: Any, address: str, port: int) -> Dict[str, Any]:
    subject = "%s:%d" % (address, port)
    with host.connect(address, port) as stream:
        stream.send(OUR_VERSION)
        for _unused in range(GREETING_LINES):
            line = stream.receive_line()
            if line.startswith(b"SSH-"):
                break
        else:
            raise HostError(Reason.PARSE_ERROR, subject, "no SSH server answers")
        length, padding = struct.unpack(">IB", stream.receive(5))
        if not padding + 1 < length <= ssh_wire.PACKET_LIMIT:
            raise HostError(Reason.PARSE_ERROR, subject, "no SSH packet after the version")
        packet = stream.receive(length - 1)
    try:
        offer: Dict[str, Any] = ssh_wire.parse_kexinit(packet[: length - 1 - padding])
    except ValueError as error:
        raise HostError(Reason.PARSE_ERROR, subject, str(error)) from error
    offer["software"] = line.decode("ascii", "replace").split("-", 2)[-1]
    return offer
