# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print which of a host's ports give any answer, as JSON: scan.py ADDRESS PORT,… Nothing but Python is needed where it runs."""

import asyncio
import contextlib
import errno
import json
import socket
import sys

PATIENCE = 2.5  # a packet that got lost is sent again after one second


async def knock(address, port):
    """Return how a TCP port answers, None where it does not."""
    try:
        _reader, writer = await asyncio.wait_for(asyncio.open_connection(address, port), PATIENCE)
    except asyncio.TimeoutError:
        return None
    except OSError as error:
        # The neighbour's own kernel says so after a while where nobody answers for the address.
        return None if error.errno == errno.EHOSTUNREACH else "refused"
    writer.close()
    return "open"


def echo(address, port, patience=PATIENCE):
    """Return whether a datagram comes back."""
    family, kind, _proto, _name, place = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as sock:
        sock.settimeout(patience)
        sock.connect(place)
        try:
            sock.send(b"hello")
            return sock.recv(16) == b"hello"
        except OSError:
            return False


async def scan(address, ports):
    # The kernel keeps few packets for an address that it has yet to find in the network: this one makes it look.
    with contextlib.suppress(OSError):
        echo(address, 9999, 0.3)
    found = await asyncio.gather(*(knock(address, port) for port in ports))
    return {port: answer for port, answer in zip(ports, found) if answer}


if __name__ == "__main__":
    answers = asyncio.run(scan(sys.argv[1], [int(port) for port in sys.argv[2].split(",")]))
    if echo(sys.argv[1], 9999):
        answers["9999/udp"] = "open"
    print(json.dumps(answers))
