# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and texts as they may stand in SQL, whatever they are made of, and tables as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
LONGEST = 63  # bytes of a name; PostgreSQL cuts longer ones, and then it is another name


def name_in(text: str, what: str) -> str:
    """Return a name that PostgreSQL can hold as it stands. Raises Refused."""
    if not text or _CONTROL.search(text) or len(text.encode("utf-8")) > LONGEST:
        raise Refused("%s: %r cannot be a name in PostgreSQL (1 to %d bytes, no line breaks)" % (what, text, LONGEST))
    return text


def quoted(name: str) -> str:
    """Return a name as SQL takes it."""
    return '"%s"' % name.replace('"', '""')


def string(text: str) -> str:
    """Return a text as SQL takes it, whatever standard_conforming_strings is."""
    inner = text.replace("'", "''")
    return "E'%s'" % inner.replace("\\", "\\\\") if "\\" in inner else "'%s'" % inner


def array(names: "list[str]", kind: str = "text") -> str:
    """Return an array of texts as SQL takes it."""
    return "ARRAY[%s]::%s[]" % (", ".join(string(name) for name in names), kind)


def body(text: str) -> str:
    """Return a function's body between dollars that do not stand in it."""
    tag = "nself"
    while "$%s$" % tag in text:
        tag += "_"
    return "$%s$%s$%s$" % (tag, text, tag)


@dataclass(frozen=True)  # a tuple would fall apart in a format
class Table:
    """A table. sql: as SQL takes it; str(): as people write it."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        return "%s.%s" % (quoted(self.schema), quoted(self.name))

    def __str__(self) -> str:
        return "%s.%s" % (self.schema, self.name)


def table_of(text: str, what: str) -> Table:
    """Return the table that `schema.table` names, as both are called and without quotes; `public` where no dot is in it. Raises Refused."""
    schema, dot, name = text.partition(".")
    if not dot:
        schema, name = "public", text
    return Table(name_in(schema, what), name_in(name, what))
