# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proof that PostgreSQL speaks TLS with everybody and nothing else: asked over its network, from inside, and in its own log."""

from __future__ import annotations

import datetime
import re
import time
from dataclasses import dataclass
from typing import Any, Iterator, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.database import is_network
from ansible_collections.nself.prod.plugins.module_utils.change import certificates
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_certificate import Given
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_server import Server
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, first_line
from ansible_collections.nself.prod.plugins.module_utils.probe import postgres as probe

PORT = 5432
COMES_UP = 5.0  # seconds
# What the server writes about a client that it sent away, or that did not like its certificate.
SENT_AWAY = re.compile(
    r'no pg_hba\.conf entry for host "([^"]+)".*no encryption|client=(\S+) LOG: +could not accept SSL'
)
# The password is taken from the container's own environment, and is on no command line.
LOGIN = (
    r"""
value() { eval "v=\${$1:-}; f=\${$1_FILE:-}"; if [ -z "$v" ] && [ -n "$f" ] && [ -r "$f" ]; then v=$(cat "$f"); fi; printf %%s "$v"; }
unset PGHOST PGSERVICE PGSERVICEFILE PGOPTIONS PGREQUIREAUTH PGSSLROOTCERT PGPASSFILE
PGUSER=$(value POSTGRES_USER); PGUSER=${PGUSER:-postgres}; PGDATABASE=$(value POSTGRES_DB); PGDATABASE=${PGDATABASE:-$PGUSER}
PGPASSWORD=$(value POSTGRES_PASSWORD)
export PGUSER PGDATABASE PGPASSWORD PGCONNECT_TIMEOUT=5 PGHOSTADDR=127.0.0.1 PGHOST='%(host)s' PGAPPNAME=nself-prod LC_ALL=C
root='%(root)s'; [ -z "$root" ] || export PGSSLROOTCERT="$root"
export PGSSLMODE='%(mode)s'
tls=$(psql -X -q -A -t -w -c 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()') || exit 1
[ "$tls" = t ] || { echo "it got in with $PGSSLMODE, and without TLS" >&2; exit 1; }
if [ -n '%(closed)s' ] && PGSSLMODE=disable psql -X -q -A -t -w -c 'SELECT 1' >/dev/null 2>&1; then
    echo "it gets in with sslmode=disable" >&2; exit 1
fi
""".strip()
    + "\n"
)


@dataclass(frozen=True)
class Promise:
    """What has to be so.

    closed: nobody may come in clear; begun: when this run began; shown: the certificate; inside: the folder of the server's files.
    """

    closed: bool
    begun: float
    shown: Given
    inside: str


def prove(stack: Any, server: Server, promise: Promise) -> None:
    """Prove all of it. Raises Mismatch with what is not so."""
    if promise.closed:
        _nobody_sent_away(stack, server, promise.begun)
        _sessions(server)
    _from_outside(stack, server, promise)
    _from_inside(stack, server, promise)


def _nobody_sent_away(stack: Any, server: Server, begun: float) -> None:
    """Look in the server's log for services of the project that it has sent away since this run began, and since they were made."""
    item = stack.inspect(server.service) or {}
    argv = ["docker", "logs", "--timestamps", "--since", "%.3f" % begun, "--tail", "20000", str(item.get("Id"))]
    done = stack.host.run(argv, timeout=20)
    if done.rc:
        return  # a log driver that keeps nothing to read: then the sessions have to do
    places = dict(_places(stack))
    sent = {}
    for line in (done.out + "\n" + done.err).splitlines():
        found = SENT_AWAY.search(line)
        service, started = places.get((found.group(1) or found.group(2)) if found else "", ("", 0.0))
        # Who was told nothing yet came in clear while the server was new already.
        if found and service and moment(line.split(" ", 1)[0]) >= max(begun, started):
            sent[service] = "in clear" if found.group(1) else "and does not take its certificate"
    if sent:
        said = "; ".join("%s comes to PostgreSQL %s" % pair for pair in sorted(sent.items()))
        raise Mismatch(said + ". Set its database connection up for TLS, with the authority that its container finds")


def _places(stack: Any) -> Iterator[Tuple[str, Tuple[str, float]]]:
    """Yield (address, (service, when its container was started))."""
    for service in stack.services:
        item = stack.inspect(service) or {}
        for address in reach.own(item):
            started = str((item.get("State") or {}).get("StartedAt") or "")
            yield address, (service, moment(started))


def moment(text: str) -> float:
    """Return the seconds since the epoch of one of Docker's times, in UTC; 0.0 where it is none."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", text)
    if not found:
        return 0.0
    whole = datetime.datetime.strptime(found.group(1) + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    return whole + float("0" + (found.group(2) or ""))


def _sessions(server: Server) -> None:
    sessions = [item for item in server.section("sessions") if is_network(item["client"]) and not item["ssl"]]
    if sessions:
        clients = sorted({str(item["client"]) for item in sessions})
        raise Mismatch("sessions from %s are in clear still; end them" % ", ".join(clients))


def _from_outside(stack: Any, server: Server, promise: Promise) -> None:
    """Come over the network as anybody may: with a finished handshake, and in clear."""
    address = reach.address(stack, server.service)
    environment = stack.environment(server.service)
    user = environment.get("POSTGRES_USER") or "postgres"
    try:
        seen = probe.certificate(stack.host, address, PORT, (promise.shown.names or ("postgres",))[0])
        if not seen:
            raise Mismatch("PostgreSQL on %s does not speak TLS" % address)
        if promise.shown.chain and seen != certificates.der_of(promise.shown.chain):
            raise Mismatch("PostgreSQL on %s shows another certificate than the one that it was given" % address)
        goes_on, said = probe.in_clear(stack.host, address, PORT, user, environment.get("POSTGRES_DB") or user)
    except HostError as error:
        raise Mismatch("PostgreSQL cannot be reached over its network: %s" % error) from error
    if promise.closed and goes_on:
        raise Mismatch("PostgreSQL on %s goes on in clear: %s" % (address, said))


def _from_inside(stack: Any, server: Server, promise: Promise) -> None:
    """Log in by psql in the container, over TCP: it gets in with verify-full, and in clear it does not."""
    shown = promise.shown
    name = next((name for name in shown.names if not certificates.is_address(name) and "*" not in name), "")
    trusted = bool(name and shown.key and shown.authorities)
    script = LOGIN % {
        "host": name or "localhost",
        "mode": "verify-full" if trusted else "require",
        "root": promise.inside + "/root.crt" if trusted else "",
        "closed": "1" if promise.closed else "",
    }
    expires = time.monotonic() + COMES_UP
    while True:
        done = stack.exec(server.service, ["sh", "-s"], stdin=script)
        if done.rc == 0:
            return
        if time.monotonic() > expires:
            said = stack.redact(first_line(done.err) or "it does not get in")
            raise Mismatch("psql in %s: %s" % (server.service, said))
        time.sleep(1)
