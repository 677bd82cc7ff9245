# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every role keeps to: its argument_specs are the truth, its README says so, and the checks name what it really has."""

from __future__ import annotations

import importlib.util
import pathlib

import jinja2
import pytest
import yaml
from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path.parent.parent for path in (ROOT / "roles").glob("*/tasks/main.yml"))
SHIPPED = {role.name for role in ROLES}
# The one that the others begin with, where they need a package.
PACKAGES = "packages"
DEPLOYMENT = "deployment"
# What other roles consist of, or begin with.
INNER = {PACKAGES, DEPLOYMENT}
# Keys of tasks whose text is an expression, without braces.
EXPRESSIONS = ("when", "changed_when", "failed_when", "until", "that", "rescue_when")
# What Ansible gives every task.
GIVEN = (
    "omit",
    "item",
    "inventory_hostname",
    "playbook_dir",
    "role_path",
    "lookup",
    "query",
    "undef",
    "now",
    "true",
    "false",
)
GIVEN_PREFIXES = ("ansible_", "nself_", "group", "hostvars", "play_hosts")
SOURCES = ("*.yml", "*.j2", "*.sh", "*.py")

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None


def options(role):
    return load(role / "meta/argument_specs.yml")["argument_specs"]["main"].get("options") or {}


def tasks(role):
    """Yield every task of a role, those in blocks too, and its handlers."""

    def flat(items):
        for task in items or ():
            yield task
            for key in ("block", "rescue", "always"):
                yield from flat(task.get(key))

    for folder in ("tasks", "handlers"):
        for path in sorted((role / folder).glob("*.yml")):
            yield from flat(load(path))


def read_and_set(source):
    """Return (names that a template reads, names that it gives itself)."""
    tree = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"]).parse(source)
    names = list(tree.find_all(jinja2.nodes.Name))
    return {name.name for name in names if name.ctx == "load"}, {name.name for name in names if name.ctx != "load"}


def names_in(value, expression=False):
    if isinstance(value, dict):
        return set().union(*(names_in(item, key in EXPRESSIONS) for key, item in value.items()), set())
    if isinstance(value, list):
        return set().union(*(names_in(item, expression) for item in value), set())
    if not isinstance(value, str):
        return set()
    read, given = read_and_set("{{ %s }}" % value if expression and "{{" not in value else value)
    return read - given


def used(role):
    """Return the variables that a role reads from outside, and those that it makes itself."""
    read, made = set(), set()
    for task in tasks(role):
        read |= names_in({key: value for key, value in task.items() if key not in ("block", "rescue", "always")})
        if "ansible.builtin.import_role" not in task:
            # Else they are those of the other role.
            made |= set(task.get("vars") or {})
        made |= set(task.get("ansible.builtin.set_fact") or {})
        made |= {task["register"]} if "register" in task else set()
        loop = (task.get("loop_control") or {}).get("loop_var")
        made |= {loop} if loop else set()
    for path in sorted((role / "templates").rglob("*")) if (role / "templates").is_dir() else ():
        if path.is_file():
            found, given = read_and_set(path.read_text(encoding="utf-8"))
            read |= found - given
    own = load(role / "vars/main.yml") or {}
    read |= names_in(own)
    return read, made | set(own)


def imports(role, other):
    """Tell whether a role imports another one of ours."""
    named = [task.get("ansible.builtin.import_role", {}).get("name") for task in tasks(role)]
    return "nself.prod." + other in named


def test_there_are_roles():
    assert SHIPPED


@each_role
def test_the_defaults_are_those_of_the_argument_specs(role):
    told = {name: item["default"] for name, item in options(role).items() if "default" in item}
    assert (load(role / "defaults/main.yml") or {}) == told


@each_role
def test_every_option_is_described_and_has_a_type(role):
    main = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]
    assert main.get("short_description") and main.get("description"), "its documentation is incomplete"
    for name, item in options(role).items():
        assert item.get("type") and item.get("description"), name
        assert item["type"] != "list" or "elements" in item, name
        # Where the guide has a setting too, unset is a word of its own.
        unset = imports(role, DEPLOYMENT) or item.get("required") or "default" in item
        assert unset or item["type"] != "bool", name


@each_role
def test_variables_have_the_roles_prefix(role):
    _read, made = used(role)
    # A role may tell Ansible itself something, such as the port that it goes on over, or the playbook what is to be done at its end.
    made = {name for name in made if not name.startswith(("ansible_", "nself_deployment_"))}
    wrong = [
        name
        for name in sorted(set(options(role)) | made)
        if not name.startswith((role.name + "_", "__" + role.name + "_"))
    ]
    assert wrong == []


@each_role
def test_the_role_reads_its_options_and_nothing_else(role):
    read, made = used(role)
    unknown = {
        name for name in read - made - set(options(role)) if name not in GIVEN and not name.startswith(GIVEN_PREFIXES)
    }
    assert (sorted(unknown), sorted(set(options(role)) - read)) == ([], [])


@each_role
def test_a_list_goes_to_a_module_and_not_to_a_loop(role):
    loops = [task.get("name") for task in tasks(role) for key in task if key == "loop" or key.startswith("with_")]
    assert loops == []


@each_role
def test_the_meta_data_is_complete(role):
    meta = load(role / "meta/main.yml")
    info = meta["galaxy_info"]
    assert meta["dependencies"] == []
    assert (info["license"], info["min_ansible_version"]) == ("GPL-3.0-or-later", "2.19")
    assert info["author"] and info["description"]
    platforms = {item["name"]: set(item["versions"]) for item in info["platforms"]}
    assert platforms == {"Debian": {"bookworm", "trixie"}, "Ubuntu": {"jammy", "noble"}}


@each_role
def test_the_readme_tells_every_variable(role):
    spec = importlib.util.spec_from_file_location("roles_pages", ROOT / "tests/tools/roles_pages.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    readme = role / "README.md"
    assert readme.is_file(), "it has no README.md"
    text = readme.read_text(encoding="utf-8")
    wanted = tool.with_table(text, load(role / "meta/argument_specs.yml"))
    assert text == wanted, "run tests/tools/roles_pages.py --write"
    assert "```yaml" in text, "it has no example"


@each_role
def test_its_files_say_whose_they_are(role):
    files = [path for pattern in SOURCES for path in role.rglob(pattern)] + [role / "README.md"]
    missing = [
        str(path.relative_to(ROOT)) for path in files if path.is_file() and "SPDX-License-Identifier" not in _head(path)
    ]
    assert missing == []


def _head(path):
    return path.read_text(encoding="utf-8")[:600]


@pytest.mark.parametrize("check", [check for check in CHECKS if check.fix.role in SHIPPED], ids=lambda check: check.id)
def test_a_checks_remedy_names_variables_that_there_are(check):
    for text in check.fix.vars:
        name, _colon, value = text.partition(":")
        if name == "nself_settings":
            # One for all roles of a deployment: what they consist of reads it.
            assert name in (ROOT / "roles" / DEPLOYMENT / "tasks/main.yml").read_text(encoding="utf-8")
            continue
        # What two roles have to mend together is named for both.
        owner = next(
            (role for role in sorted(SHIPPED, key=len, reverse=True) if name.startswith(role + "_")), check.fix.role
        )
        have = options(ROOT / "roles" / owner)
        assert name in have, "%s has no %s" % (owner, name)
        if value.strip():
            _fits(yaml.safe_load(value), have[name])


def _fits(value, item):
    kinds = {"bool": bool, "int": int, "str": str, "list": list, "dict": dict}
    assert isinstance(value, kinds.get(item["type"], object)), value
    assert value in item.get("choices", [value])


def test_every_role_but_those_that_the_others_consist_of_mends_a_check():
    assert SHIPPED - {check.fix.role for check in CHECKS} == INNER


@each_role
def test_packages_are_installed_by_one_role(role):
    apt = [task["name"] for task in tasks(role) if "ansible.builtin.apt" in task]
    assert bool(apt) == (role.name == PACKAGES)


@each_role
def test_a_role_can_be_run_by_its_tag_however_it_is_included(role):
    wanted = None if role.name in INNER else [role.name]
    assert [task["name"] for task in tasks(role) if task.get("tags") != wanted] == []


@each_role
def test_what_a_role_did_is_registered_under_its_name(role):
    if imports(role, DEPLOYMENT):
        return  # it is registered there
    assert {task.get("register") for task in tasks(role)} - {None, "packages_installed"} == {role.name + "_result"}
