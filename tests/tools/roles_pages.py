# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of variables in the roles' READMEs, from their argument_specs: `roles_pages.py --write` writes them, without it they are compared."""

from __future__ import annotations

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- variables -->", "<!-- /variables -->"
HEAD = "\n## Variables\n\n| variable | default | meaning |\n| --- | --- | --- |\n"
# The markup of Ansible's documentation: what is code is code here too.
_MARKUP = re.compile(r"\b([VCOEP]|RV)\(((?:[^()\\]|\\.|\([^()]*\))*)\)")
_NAMES = re.compile(r"\b[BIM]\(([^()]*)\)")


def pages(root=ROOT):
    """Yield (README, its text, its argument_specs) of every role."""
    for spec in sorted((root / "roles").glob("*/meta/argument_specs.yml")):
        readme = spec.parents[1] / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
        yield readme, text, yaml.safe_load(spec.read_text(encoding="utf-8"))


def with_table(text, specs):
    """Return a README with its table. Raises ValueError where it has no place for one."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError("it needs the lines %s and %s, once and in this order" % (BEGIN, END))
    before, rest = text.split(BEGIN)
    return (
        before + BEGIN + "\n" + table(specs["argument_specs"]["main"].get("options") or {}) + END + rest.split(END)[1]
    )


def table(options):
    """Return the table of an entry point's options, nothing where it has none."""
    rows = [row for name, item in options.items() for row in rows_of(name, item)]
    return HEAD + "".join("| %s |\n" % " | ".join(row) for row in rows) + "\n" if rows else ""


def rows_of(name, item, prefix=""):
    """Yield (name, default, meaning) of an option and of what is in it."""
    kind = item.get("type", "str")
    kind = "list of %s" % item["elements"] if kind == "list" and "elements" in item else kind
    words = item["description"] if isinstance(item["description"], list) else [item["description"]]
    meaning = " ".join(map(plain, words))
    if item.get("choices"):
        meaning += " One of %s." % ", ".join(code(choice) for choice in item["choices"])
    default = "required" if item.get("required") else code(item["default"]) if "default" in item else ""
    yield "`%s%s`" % (prefix, name), default, cell("%s (%s)" % (meaning, kind))
    for inner, sub in (item.get("options") or {}).items():
        yield from rows_of(inner, sub, "%s%s." % (prefix, name))


def code(value):
    """Return a value as YAML has it, as code."""
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return "`%s`" % cell(text)


def plain(text):
    return _NAMES.sub(r"\1", _MARKUP.sub(r"`\2`", str(text).strip()))


def cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments):
    wrong = 0
    for readme, text, specs in pages():
        problem = ""
        try:
            wanted = with_table(text, specs)
            if text != wanted and arguments == ["--write"]:
                readme.write_text(wanted, encoding="utf-8")
            elif text != wanted:
                problem = "it is not what its argument_specs say; run tests/tools/roles_pages.py --write"
        except ValueError as error:
            problem = str(error)
        if problem:
            print("%s: %s" % (readme.relative_to(ROOT), problem))
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
