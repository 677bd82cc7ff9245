# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Redis is started without its password on a command line: the words that start it, and its health check. Pure functions.

Redis reads its configuration from standard input where its first argument is `-`; the options that follow win over it. A shell writes the
password there from the container's environment, quoted as redis.conf quotes, so any character may stand in it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import literal
from ansible_collections.nself.prod.plugins.module_utils.change.stack.raw import Unclear, words

SERVERS = ("redis-server", "valkey-server", "keydb-server")
SHELLS = ("sh", "bash", "ash", "dash")
# Option that holds a secret -> the variable of the container that holds it instead.
PASSED = {"requirepass": "REDIS_PASSWORD", "masterauth": "REDIS_MASTER_PASSWORD"}
PASSWORD = PASSED["requirepass"]
_CLIENT = re.compile(r"(?:[\w./-]*/)?(?:redis|valkey|keydb)-cli\b[^|;&)`]*")
_WITH_VALUE = ("-h", "-p", "-s", "-n", "--user", "--cert", "--key", "--cacert", "--cacertdir", "--sni", "-t")
_PASSWORDS = ("-a", "--pass")
_PATH = re.compile(r"[\w./${}:-]*\Z")
_FLAGS = ("--tls", "--insecure", "-4", "-6")


@dataclass
class Server:
    """A server's command line taken apart. words: all but its secrets; program: its position in them; file: its configuration file."""

    words: List[str]
    program: int
    secrets: Dict[str, str] = field(default_factory=dict)
    file: str = ""
    protected: str = ""


def server(argv: Sequence[str]) -> Server:
    """Take a command line apart, its entrypoint included. Raises Unclear."""
    if any(posixpath.basename(word) in SHELLS for word in argv[:1]):
        raise Unclear("a shell starts it")
    program = next((at for at, word in enumerate(argv) if posixpath.basename(word) in SERVERS), None)
    if program is None:
        # The official image's entrypoint puts the server in front of options and of a file.
        program = next((at - 1 for at, word in enumerate(argv) if word.startswith("--") or word.endswith(".conf")), -1)
        if program < 0:
            raise Unclear("it does not start redis-server by name")
    if "-" in argv[program + 1 :]:
        raise Unclear("it reads its configuration from standard input already")
    out = Server(list(argv[: program + 1]), program)
    rest = list(argv[program + 1 :])
    if rest and not rest[0].startswith("-"):
        out.file = rest.pop(0)
    at = 0
    while at < len(rest):
        name, space, value = rest[at].partition(" ")
        end = at + 1
        while end < len(rest) and rest[at].startswith("--") and not rest[end].startswith("--"):
            end += 1
        option = name[2:].lower() if name.startswith("--") else ""
        if option in PASSED:
            # A password with a space in it has become several words.
            out.secrets[option] = " ".join(([value] if space else []) + rest[at + 1 : end])
        elif option == "protected-mode":
            out.protected = " ".join(([value] if space else []) + rest[at + 1 : end]).strip().lower()
        else:
            out.words += rest[at:end]
        at = end
    return out


def script(options: Sequence[str], file: str = "") -> str:
    """Return the shell, in compose's syntax, that starts its arguments with a configuration on their standard input.

    options: those whose values stand in its environment; file: a configuration file that comes before them. Raises Unclear.
    """
    if not _PATH.match(file):
        raise Unclear("the name of its configuration file is unusual")
    lines = []
    for option in options:
        name = PASSED[option]
        lines.append(': "${%s:?it is empty, so the server is not started}"' % name)
        lines.append('%s=$(printf %%s "$%s" | sed \'s/[\\\\"]/\\\\&/g\')' % (option, name))
    included = ['include "%s"' % file] if file else []
    written = [literal('%s "$%s"' % (option, option)) for option in options]
    return "\n".join([literal(line) for line in lines + ['exec "$@" <<END']] + included + written + ["END", ""])


def started(found: Server, options: Sequence[str]) -> Dict[str, List[str]]:
    """Return the entrypoint and command, in compose's syntax, by which a server gets these options from its environment."""
    at = found.program + 1
    return {
        "entrypoint": ["sh", "-euc", script(options, found.file), "redis"],
        "command": found.words[:at] + ["-"] + found.words[at:] + ["--protected-mode", "yes"],
    }


@dataclass(frozen=True)
class Health:
    """A health check by redis-cli. test: the same question, asked with the password of the environment; named: the password it named."""

    test: List[str]
    named: str = ""


def health(test: object) -> Optional[Health]:
    """Return what a health check becomes; None where there is none, or one of another kind. Raises Unclear."""
    given = list(words(test) or []) if not isinstance(test, str) else ["CMD-SHELL", test]
    if given[:1] == ["CMD-SHELL"]:
        found = _CLIENT.search(" ".join(given[1:]))
        asked = (words(found.group(0)) or []) if found else []
    else:
        asked = given[1:] if given[:1] == ["CMD"] else given
        asked = asked if asked and _CLIENT.match(asked[0]) else []
    if "ping" not in [word.lower() for word in asked]:
        return None
    kept, named, at = [asked[0]], "", 1
    while at < len(asked):
        word, value = asked[at], asked[at + 1 : at + 2]
        at += 2 if word in _WITH_VALUE or word in _PASSWORDS else 1
        if word in _PASSWORDS:
            named = "".join(value)
        elif word in _WITH_VALUE:
            kept += [word] + value
        elif word in _FLAGS:
            kept.append(word)
    return Health(asking(kept), named)


def asking(client: Sequence[str] = ("redis-cli",)) -> List[str]:
    """Return the health check. redis-cli ends with 0 whatever it is answered, so the answer itself is looked at."""
    line = " ".join(word if re.match(r"[\w./:-]+\Z", word) else '"%s"' % word for word in client)
    return ["CMD-SHELL", 'test "$$(REDISCLI_AUTH="$$%s" %s ping)" = PONG' % (PASSWORD, line)]
