# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""docker-compose.override.yml: ours beside the user's, which is never touched."""

from __future__ import annotations

import json

import pytest
import yaml as pyyaml
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import RESET, Replace

ORDER = ("containers", "nginx")
TEXTS = {
    "nothing": "",
    "a service": "services:\n  redis:\n    mem_limit: 1g\n",
    "no line's end": "services: {redis: {mem_limit: 1g}}",
    "comments only": "# nothing yet\n",
    "a comment without an end": "# nothing yet",
    "a document of its own": "# mine\n---\nservices: {redis: {mem_limit: 1g}}\n",
    "begins with a mark": "---\nservices: {redis: {mem_limit: 1g}}\n",
    "two documents": "services: {redis: {mem_limit: 1g}}\n---\nservices: {nginx: {mem_limit: 1g}}\n",
    "ends with blank lines": "services: {redis: {mem_limit: 1g}}\n\n\n",
}


def whole(yours, below=""):
    roles = {
        "nginx": override.document({"services": {"nginx": {"read_only": True}}}, "nginx", {"files": {}}),
        "containers": override.document({"services": {"redis": {"cap_drop": ["ALL"]}}}, "containers", {}),
    }
    return override.Override("", yours, roles, below)


@pytest.mark.parametrize("yours", TEXTS.values(), ids=list(TEXTS))
def test_the_users_text_comes_back_byte_for_byte(yours):
    text = override.join(whole(yours, "services: {redis: {cpus: 2}}\n"), ORDER)
    again = override.split(text)
    assert again.yours == yours
    assert again.below == "services: {redis: {cpus: 2}}\n"
    assert override.join(again, ORDER) == text
    again.roles.clear()
    again.below = ""
    assert override.join(again, ORDER) == yours


@pytest.mark.parametrize("yours", TEXTS.values(), ids=list(TEXTS))
def test_every_document_is_a_mapping_as_compose_wants_it(yours):
    documents = list(pyyaml.safe_load_all(override.join(whole(yours), ORDER)))
    assert all(isinstance(document, dict) for document in documents), documents
    assert len(documents) == 4 + sum(1 for document in pyyaml.safe_load_all(yours) if document is not None)


def test_documents_stand_in_the_order_of_the_parts():
    text = override.join(whole(""), ORDER)
    assert text.index("role containers") < text.index("role nginx") < text.index(override.BELOW_KEY)


def test_a_users_file_is_his_as_a_whole():
    assert override.split("services: {}\n") == override.Override(yours="services: {}\n")
    assert override.split(None) == override.Override()


@pytest.mark.parametrize("line", [override.YOURS, override.BELOW_KEY])
def test_a_line_that_was_taken_out_is_named(line):
    text = override.join(whole("services: {}\n"), ORDER).replace(line + "\n", "")
    with pytest.raises(ChangeError, match="docker-compose.override.yml"):
        override.split(text)


def test_a_document_remembers_what_its_role_needs():
    found = override.split(override.join(whole(""), ORDER))
    assert found.known("nginx") == {"files": {}}
    assert found.known("redis") == {}
    found.roles["nginx"] = found.roles["nginx"].replace("{", "{{", 1)
    with pytest.raises(ChangeError, match="x-nself-prod-nginx"):
        found.known("nginx")


def test_what_is_written_is_what_is_read():
    fragment = {
        "services": {
            "a": {
                "command": ["x", "--flag=${VALUE}", "true", "1.0", 'say "no": # é'],
                "read_only": True,
                "cpus": 0.5,
                "environment": {"ON": "on", "EMPTY": "", "NULL": None, "COLON": "a: b"},
                "logging": {"options": {"max-size": "10m"}},
                "tmpfs": [],
                "volumes": [{"type": "bind", "source": "./x", "target": "/y"}],
            }
        }
    }
    assert pyyaml.safe_load(override.yaml(fragment)) == fragment
    assert json.loads(json.dumps(fragment)) == fragment


def test_what_replaces_and_what_resets_is_marked_for_compose():
    text = override.yaml({"services": {"a": {"ports": Replace(["80:80"]), "cap_add": Replace(), "user": RESET}}})
    assert text == (
        'services:\n  a:\n    ports: !override\n      - "80:80"\n    cap_add: !override []\n    user: !reset null\n'
    )


@pytest.mark.parametrize("yours", TEXTS.values(), ids=list(TEXTS))
def test_a_diff_shows_what_is_ours_and_nothing_of_the_users(yours):
    text = override.join(whole(yours, "services: {redis: {environment: {KEY: s3cret}}}\n"), ORDER)
    assert "s3cret" in text
    told = override.shown(text)
    assert "s3cret" not in told and "mem_limit" not in told
    assert "cap_drop" in told and "read_only" in told
    assert "mem_limit" not in override.shown(yours)


def test_a_password_that_stood_in_a_users_url_is_in_no_diff():
    urls = {"A": "postgres://u:hunter2@db/x?sslmode=require", "B": "postgres://u:${P}@db/x"}
    roles = {"shared": override.document({"services": {"a": {"environment": urls}}}, "shared", {"version": 1})}
    told = override.shown(override.join(override.Override("", "", roles), ("shared",)))
    assert "hunter2" not in told and "u:…@db" in told and "u:${P}@db" in told


# -- services that the project has no more -------------------------------------------------------------------------------------

CONTAINERS = {
    "services": {
        "mail": {
            "cap_drop": ["ALL"],
            "logging": {"options": {"max-size": "10m"}},
            "environment": {"A": "services:\n  x:"},
        },
        "redis": {"security_opt": Replace(["no-new-privileges:true"])},
        "yes": {"read_only": True},
        "mail-two": {"ports": RESET},
    },
    "networks": {"mail": {"internal": True}},
}


@pytest.mark.parametrize(
    "gone",
    [("mail",), ("redis",), ("yes", "mail-two"), ("mail-two",), ("other",), tuple(CONTAINERS["services"])],
    ids=str,
)
def test_a_document_without_services_is_as_if_they_had_never_been(gone):
    text = override.document(CONTAINERS, "containers", {"version": 1})
    assert override.services_of(text) == list(CONTAINERS["services"])
    kept = {name: item for name, item in CONTAINERS["services"].items() if name not in gone}
    wanted = {"services": kept, "networks": CONTAINERS["networks"]} if kept else {"networks": CONTAINERS["networks"]}
    assert override.without(text, "containers", gone) == override.document(wanted, "containers", {"version": 1})


def test_a_document_forgets_what_it_remembers_of_them_and_goes_where_it_says_nothing_then():
    known = {
        "version": 1,
        "postgres_settings": {"db": {"ssl": "on"}, "old": {"ssl": "on"}},
        "database_urls": [{"service": "api", "name": "URL"}],
    }
    text = override.document({"services": {"api": {"read_only": True}}}, "postgres_tls", known)
    left = override.without(text, "postgres_tls", ["api", "old"])
    assert left == override.document({}, "postgres_tls", {"version": 1, "postgres_settings": {"db": {"ssl": "on"}}})
    assert override.without(left, "postgres_tls", ["db"]) == ""


# -- what cannot stand below a document of ours --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "\ufeffservices: {}\n",
            "a byte order mark.*save it as UTF-8 without one .`sed -i '1s/\\^\\\\xEF\\\\xBB\\\\xBF//' /srv/o.yml`",
        ),
        ("\ufeff" + override.FIRST + "\n", "a byte order mark"),
        ("# mine\n\n%YAML 1.2\n---\nservices: {}\n", "the directive `%YAML 1.2`.*take that line out"),
        ("%TAG ! tag:x,2000:\n---\nservices: {}\n", "the directive `%TAG"),
    ],
    ids=["mark", "mark before ours", "version", "tag"],
)
def test_what_is_allowed_only_at_the_very_beginning_is_refused_by_name(text, words):
    with pytest.raises(ChangeError, match="^/srv/o.yml begins with " + words + ".*Nothing was changed$"):
        override.refuse(text, "/srv/o.yml")


@pytest.mark.parametrize("yours", list(TEXTS.values()) + ["a: |\n  %x\n  \ufeff\n"], ids=list(TEXTS) + ["within"])
def test_all_else_is_not(yours):
    override.refuse(yours, "/srv/o.yml")
    override.refuse(override.join(whole(yours), ORDER), "/srv/o.yml")
