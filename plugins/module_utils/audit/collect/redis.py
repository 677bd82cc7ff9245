# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the running Redis for a PING without a password, and whether its protected mode is on.

Facts `redis`: instances[] of {service, answer, protected_mode}. The password is the one that the process was started with; it is sent
to that process only, over loopback or the container's own network, and stands in no fact.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason
from ansible_collections.nself.prod.plugins.module_utils.deployment.doors import doors_of, first_answer
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import resp

FACT = "redis.instances"
PORT = 6379
# What a reply to PING tells of a server. Versions before 6 name no code where a password is asked for.
ANSWERS = {"NOAUTH": "refused", "DENIED": "denied"}
OLD_REFUSAL = "ERR operation not permitted"


def collect(host: Any, need: Any) -> Dict[str, Any]:
    """Return the facts; instances is Unread where it is not known what runs."""
    return {"instances": attempt(lambda: [instance(host, unit) for unit in need("project").running("redis")])}


def instance(host: Any, unit: Mapping[str, Any]) -> Dict[str, Any]:
    """Return one server's facts. answer: open, refused (it wants a password) or denied (protected mode keeps the network out).

    protected_mode: yes or no, None where neither the server nor its command line tells.
    """
    answer = attempt(partial(_ping, host, unit))
    return {
        "service": unit["service"],
        "answer": answer,
        "protected_mode": attempt(partial(_protected, host, unit)) if answer == "refused" else None,
    }


def _ping(host: Any, unit: Mapping[str, Any]) -> str:
    reply = ask_server(host, unit, resp.command("PING"), 1)[0]
    if reply == "PONG":
        return "open"
    if isinstance(reply, resp.Refusal):
        if reply.text == OLD_REFUSAL:
            return "refused"
        if reply.code in ANSWERS:
            return ANSWERS[reply.code]
        raise Missing(FACT, Reason.ERROR, "Redis answers %s to a PING without a password" % printable(reply.code))
    raise Missing(FACT, Reason.PARSE_ERROR, "Redis' answer to PING is none")


def _protected(host: Any, unit: Mapping[str, Any]) -> Optional[str]:
    told = option(unit["argv"], "protected-mode")
    secret = password_of(unit)
    if secret is None:
        return told
    found = ask_server(host, unit, resp.command("AUTH", secret) + resp.command("CONFIG", "GET", "protected-mode"), 2)
    # CONFIG may be renamed or forbidden, and a rotated password is another check's business.
    if len(found) == 2 and isinstance(found[1], list) and len(found[1]) == 2 and found[1][1] in ("yes", "no"):
        return str(found[1][1])
    return told


def ask_server(host: Any, unit: Mapping[str, Any], sent: bytes, count: int) -> List[Any]:
    """Return the replies to count commands; at least one. Raises Missing."""
    plain, secure = port_of(unit["argv"], "port", PORT), port_of(unit["argv"], "tls-port", 0)

    def ask(address: str, port: int) -> List[Any]:
        with host.connect(address, port, timeout=3) as stream:
            if not plain:
                stream.start_tls(address)
            try:
                # QUIT makes the server close the stream, so that everything it says can be read.
                stream.send(sent + resp.command("QUIT"))
                data = stream.receive_all(65536)
            except HostError as error:
                data = _first_words(host, address, port, error)
        try:
            return resp.replies(data)[:count]
        except resp.RespError as error:
            raise HostError(Reason.PARSE_ERROR, "Redis", "what answers speaks no RESP: %s" % error) from None

    found = first_answer(doors_of(unit, plain or secure, own_first=True), ask, FACT, "Redis")
    if not found:
        raise Missing(FACT, Reason.ERROR, "Redis closed the connection without an answer")
    return found


def _first_words(host: Any, address: str, port: int, error: HostError) -> bytes:
    """Return what a server says unasked. Protected mode says why and closes at once, which a question would turn into a reset.

    Raises the error where it says nothing of the kind.
    """
    if error.reason != Reason.ERROR:
        raise error
    with host.connect(address, port, timeout=1) as stream:
        data = bytes(stream.receive_all(65536))
    if not data.startswith(b"-"):
        raise error
    return data


def password_of(unit: Mapping[str, Any]) -> Optional[str]:
    """Return the password that the process was started with, None where it is not known."""
    found = option(unit["argv"], "requirepass") or unit["environment"].get("REDIS_PASSWORD")
    return found or None


def option(argv: Sequence[str], name: str) -> Optional[str]:
    """Return a --name option of a server's command line, also of one that a shell starts: the last one holds."""
    words: List[str] = [word for part in argv for word in (part.split() if " " in part else [part])]
    value = None
    for index, word in enumerate(words[:-1]):
        # A healthcheck's command follows the server's.
        if word == "--" + name and words[index + 1] not in ("CMD", "CMD-SHELL", "NONE"):
            value = words[index + 1].strip("\"'")
    return value


def port_of(argv: Sequence[str], name: str, default: int) -> int:
    """Return a port of the command line."""
    text = option(argv, name)
    return int(text) if text is not None and re.match(r"[0-9]{1,5}\Z", text) else default


def printable(code: str) -> str:
    """Return an error's code where it is one: what else a peer says is not repeated."""
    return code if re.match(r"[A-Z]{1,20}\Z", code) else "an error"


COLLECTORS = (Collector("redis", collect, deadline=18.0),)
