# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge JSON into a YAML file: `merge.py FILE JSON`. A null takes its key away; a list replaces a list. Runs on the test host."""

import json
import os
import sys

import yaml


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


def main():
    path, change = sys.argv[1], json.loads(sys.argv[2])
    old = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as stream:
            old = yaml.load(stream, Loader) or {}
    new = merged(old, change)
    with open(path, "w", encoding="utf-8") as stream:
        yaml.safe_dump(new, stream, sort_keys=False)


main()
