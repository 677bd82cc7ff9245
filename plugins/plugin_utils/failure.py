# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in one plain line why a module did not answer, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.nself.prod.plugins.plugin_utils.report.text import clean

NEXT_PYTHON = "Set ansible_python_interpreter to a Python 3.8 or newer on the host"
NEXT_BUG = "Please report this at https://github.com/nself-org/ansible-collection-prod/issues"
NEXT_LOOK = "Run it again with -vvv to see what the host printed"

# (what the host printed, what it means, what to do): the first that matches counts.
MODULE_FAILURES = (
    (r"interpreter '?([^' ]+)'? was not found", "there is no Python at {0}", NEXT_PYTHON),
    (r"(\S*python\S*): (?:No such file|not found|command not found)", "there is no Python at {0}", NEXT_PYTHON),
    (r"requires a minimum of Python version \S+\. Current version: (\S+)", "its Python {0} is too old", NEXT_PYTHON),
    (r"SyntaxError: ", "its Python is too old", NEXT_PYTHON),
    (r"\nImportError: ", "its Python is broken", NEXT_PYTHON),
    (r"ModuleNotFoundError: No module named '([\w.]+)'", "its Python lacks the module {0}", NEXT_PYTHON),
    (r"No space left on device", "its disk is full", "Free some space in the temporary directory of the host"),
    (r"MemoryError|Cannot allocate memory|Killed", "it ran out of memory", "Free some memory on the host"),
)

# What a failed attempt to become another user looks like, over ssh and locally: (pattern, what it means).
BECOME_FAILURES = (
    (r"password is required|Missing \w+ password", "{method} asks for a password (give it with --ask-become-pass)"),
    (
        r"Incorrect \w+ password|Sorry, try again|Duplicate become password prompt|Authentication failure",
        "the password for {method} was not accepted",
    ),
    (
        r"not in the sudoers|not allowed to (?:execute|run)|is not permitted|Operation not permitted",
        "the user may not use {method}",
    ),
    (r"must have a tty|a terminal is required", "{method} insists on a terminal"),
    (r"no new privileges", "privileges cannot be gained on this host"),
    (r"Timeout \(\d+s\) waiting for privilege|Timed out waiting for become", "{method} did not answer in time"),
    (r"{method}: (?:command )?not found|{method}: No such file", "{method} is not installed"),
    (r"(?:^|\n)\s*{method}: ([^\n]+)", "{method} says: {0}"),
)


def why_not_become(method: str, answer: Mapping[str, Any]) -> str:
    """Return why becoming another user failed, or why the module gave no answer as that user."""
    text = _printed(answer)
    for pattern, meaning in BECOME_FAILURES:
        found = re.search(pattern.replace("{method}", re.escape(method)), text)
        if found:
            return meaning.format(*map(clean, found.groups()), method=clean(method))
    return "no answer: %s" % _last_line(_printed(answer, first_only=True))


def is_about_become(text: str) -> bool:
    """Return whether a connection's failure was one to become another user, and not one to reach the host."""
    return bool(re.search(r"waiting for (?:become|privilege escalation)|become password", text))


def why_failed(answer: Mapping[str, Any], who: str = "The audit") -> str:
    """Return what went wrong on a host and what to do next, in one line, from a module's failed result. who: the module, for people."""
    text = _printed(answer)
    if answer.get("_ansible_parsed") and "requires a minimum of Python" not in text:
        # The module ran and failed on purpose: its message was written for people.
        return clean(str(answer.get("msg") or "it failed without a message"))
    for pattern, meaning, step in MODULE_FAILURES:
        found = re.search(pattern, text)
        if found:
            return "%s could not run: %s. %s." % (who, meaning.format(*map(clean, found.groups())), step)
    if "Traceback (most recent call last)" in text:
        return "%s crashed with %s. %s." % (who, _crash(text), NEXT_BUG)
    return "%s gave no answer: %s. %s." % (who, _last_line(_printed(answer, first_only=True)), NEXT_LOOK)


def _printed(answer: Mapping[str, Any], first_only: bool = False) -> str:
    """Return what the host printed and what Ansible made of it; first_only: only the best source of the two."""
    texts = [
        str(answer[key]) for key in ("module_stderr", "module_stdout", "msg") if str(answer.get(key) or "").strip()
    ]
    return "\n".join(texts[:1] if first_only else texts)


def _crash(text: str) -> str:
    """Return an exception's type and place without its message, which may quote what was read on the host."""
    kinds = re.findall(r"^([A-Za-z_][\w.]*)(?::|$)", text.split("Traceback (most recent call last)")[-1], re.MULTILINE)
    places = re.findall(r'File "([^"]+)", line (\d+)', text)
    kind = clean(kinds[0]) if kinds else "an error"
    return kind + (" at %s:%s" % (clean(places[-1][0]).rsplit("/", 1)[-1], places[-1][1]) if places else "")


def _last_line(text: str, limit: int = 200) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return clean(lines[-1])[:limit].rstrip(".") if lines else "nothing was printed"
