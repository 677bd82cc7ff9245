# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge JSON into a YAML file: `merge.py FILE JSON [ROLE …]`. A null takes its key away; a list replaces a list. Runs on the test host.

A file that nself.prod wrote is one of several documents. There the change goes into that of the last of the roles that has one: what is
above them they win over, and what is below them is meant to win over theirs. The role `yours` stands for what is above them.
"""

import json
import os
import re
import sys

import yaml

YOURS = r"^# nself\.prod: yours,[^\n]*\n(?:--- # yours\n)?"


class Loader(yaml.SafeLoader):
    """Reads compose's tags (!reset, !override) as what they stand before; they are written back as they were."""


class Tagged:
    def __init__(self, tag, node):
        self.tag, self.node = tag, node


Loader.add_multi_constructor("!", lambda loader, suffix, node: Tagged("!" + suffix, node))
yaml.SafeDumper.add_representer(Tagged, lambda dumper, value: value.node)


def merged(old, new):
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    out = dict(old)
    for key, value in new.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged(out.get(key), value)
    return out


def changed(text, change):
    return yaml.safe_dump(merged(yaml.load(text, Loader) or {}, change), sort_keys=False)


def in_document(text, change, roles):
    """Return the text of several documents with a change in that of a role. Its first line, which is the role's own, stays as it is."""
    for role in reversed(roles):
        place = YOURS if role == "yours" else r"^--- # nself\.prod: role %s\n[^\n]*\n" % role
        found = re.search(place, text, re.M)
        if found:
            end = re.search(r"^---( |$)", text[found.end() :], re.M)
            rest = text[found.end() :][end.start() :] if end else ""
            body = text[found.end() : len(text) - len(rest)]
            return text[: found.end()] + changed(body, change) + rest
    sys.exit("no document of %s in the override" % ", ".join(roles))


def main():
    path, change, roles = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
    text = ""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    ours = text.startswith("# Written by nself.prod")
    new = in_document(text, change, roles) if ours else changed(text, change)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(new)


if __name__ == "__main__":
    main()
