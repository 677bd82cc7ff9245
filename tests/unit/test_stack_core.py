# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The transaction's pure pieces: env files, what several roles share, the order of services, what compose said."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    compose_cli,
    env_text,
    recreate,
    shared,
    stack,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import DatabaseUrl
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv
from fake_stack import FakeStack

# -- env files ---------------------------------------------------------------------------------------------------------

VALUES = {
    "hex": "0123abcd",
    "json": '{"type":"HS256","key":"abc","issuer":"x"}',
    "dollar": "a$b${HOME}c",
    "blank and hash": "a b #c",
    "backslash": "a\\nb",
    "equals": "YWJj==",
    "empty": "",
}


@pytest.mark.parametrize("value", VALUES.values(), ids=list(VALUES))
def test_a_value_is_read_as_it_was_written_by_us_and_by_a_shell(value, tmp_path):
    text = env_text.with_settings("A=1\n# B\n", {"B": value}, ".env")
    assert dotenv.parse(text).values == {"A": "1", "B": value}
    (tmp_path / "env").write_text(text)
    done = subprocess.run(
        ["sh", "-c", '. ./env; printf %s "$B"'], cwd=tmp_path, stdout=subprocess.PIPE, check=True, env={}
    )
    assert done.stdout.decode() == value


def test_every_other_byte_stays():
    text = "# c\r\nexport A='1' \n\nB=2 # old\nB=3\nC=4"
    assert env_text.with_settings(text, {"B": "5"}, ".env") == "# c\r\nexport A='1' \n\nB=2 # old\nB=5\nC=4"
    assert env_text.with_settings(text, {"D": "6"}, ".env") == text + "\nD=6\n"
    assert env_text.with_settings(text, {"B": "3"}, ".env") == text


@pytest.mark.parametrize(
    ("text", "value"), [("A=1\n", "it's"), ("A=1\n", "two\nlines"), ('B="first\nsecond"\n', "x")], ids=str
)
def test_what_readers_take_differently_is_refused_without_the_value(text, value):
    with pytest.raises(ChangeError) as error:
        env_text.with_settings(text, {"B": value}, "/srv/.env")
    assert "B" in str(error.value) and value not in str(error.value)


def test_settings_go_to_the_file_that_wins_and_to_those_that_started_the_stack():
    assert env_text.targets(["/p/.env.runtime", "/p/.env"], "/p") == ["/p/.env", "/p/.env.runtime"]


# -- what several roles share ------------------------------------------------------------------------------------------

URLS = {
    "postgresql://${U:-postgres}:${P}@postgres:5432/${D:-${N}}": "postgresql://${U:-postgres}:${P}@postgres:5432/${D:-${N}}?sslmode=require",
    "postgres://u:p@db/x?sslmode=disable&a=b": "postgres://u:p@db/x?sslmode=require&a=b",
    "postgres://u:${P:?is it set?}@db/x": "postgres://u:${P:?is it set?}@db/x?sslmode=require",
    "postgresql://db": "postgresql://db?sslmode=require",
}


@pytest.mark.parametrize(("before", "after"), URLS.items(), ids=list(URLS))
def test_a_url_gets_its_parameter_and_keeps_its_variables(before, after):
    assert shared.url(before, DatabaseUrl("a", "B", {"sslmode": "require"})) == after
    assert shared.url(after, DatabaseUrl("a", "B", {"sslmode": "require"})) == after


def test_a_url_gets_another_user():
    edit = DatabaseUrl("a", "B", {}, "app", "${APP_PASSWORD}")
    assert shared.url("postgres://u:${P}@db:5432/x", edit) == "postgres://app:${APP_PASSWORD}@db:5432/x"


def test_edits_of_two_roles_come_together_in_one_url_and_one_command():
    known = [
        {
            "postgres_settings": {"postgres": {"ssl": "on"}},
            "database_urls": [{"service": "hasura", "name": "URL", "query": {"sslmode": "require"}}],
        },
        {
            "postgres_settings": {"postgres": {"log_line_prefix": "$x "}},
            "database_urls": [{"service": "hasura", "name": "URL", "user": "app", "password": "${P2}"}],
        },
    ]
    raw = {
        "postgres": {"command": "postgres -c max_connections=50"},
        "hasura": {"environment": {"URL": "postgres://u:${P}@db/x"}},
    }
    fragment, left = shared.fragment(known, raw)
    assert fragment["services"]["hasura"]["environment"] == {"URL": "postgres://app:${P2}@db/x?sslmode=require"}
    assert fragment["services"]["postgres"]["command"] == (
        ["postgres", "-c", "max_connections=50", "-c", "log_line_prefix=$$x ", "-c", "ssl=on"]
    )
    assert left == []


def test_a_url_that_is_a_variable_as_a_whole_is_told_of():
    known = [{"database_urls": [{"service": "a", "name": "URL", "query": {"sslmode": "require"}}]}]
    fragment, left = shared.fragment(known, {"a": {"environment": {"URL": "${URL}"}}})
    assert fragment == {}
    assert len(left) == 1 and "URL as a whole from an env file" in left[0] and "sslmode=require" in left[0]


def test_a_url_of_another_form_is_told_of_as_one():
    known = [{"database_urls": [{"service": "a", "name": "URL", "query": {"sslmode": "require"}}]}]
    _fragment, left = shared.fragment(known, {"a": {"environment": {"URL": "jdbc:postgresql://db/x?password=hunter2"}}})
    assert left == [
        "a has a URL of another form than postgres://…, so it stays as it is: add sslmode=require to it yourself"
    ]


# -- the order of services ---------------------------------------------------------------------------------------------


def test_services_follow_those_that_they_depend_on_also_by_way_of_others():
    model = {
        "db": {},
        "api": {"depends_on": {"db": {}}},
        "worker": {"depends_on": {"api": {}}},
        "web": {"depends_on": {"worker": {}, "db": {}}},
    }
    assert recreate.layers(["web", "db"], model) == [["db"], ["web"]]
    assert recreate.layers(["web", "api", "db"], model) == [["db"], ["api"], ["web"]]
    assert recreate.layers([], model) == []
    assert recreate.layers(["web", "db", "proxy"], dict(model, proxy={}), ["proxy"]) == [["db"], ["web"], ["proxy"]]
    assert recreate.layers(["web", "db"], model, ["db"]) == [["db"], ["web"]]


def test_a_circle_of_services_is_one_layer():
    model = {"a": {"depends_on": {"b": {}}}, "b": {"depends_on": {"a": {}}}}
    assert recreate.layers(["a", "b"], model) == [["a", "b"]]


def test_compose_is_told_of_what_services_depend_on_unless_that_would_be_made_anew_too():
    model = {"db": {}, "api": {"depends_on": {"db": {}}}, "web": {"depends_on": {"api": {}}}}
    assert recreate.companions(["web"], model, {"db", "api", "web"}) == ["api", "db"]
    assert recreate.companions(["web", "api"], model, {"db"}) == ["db"]
    assert recreate.companions(["web"], model, {"api"}) == []
    assert recreate.companions(["db"], model, set()) == []


def test_a_service_that_somebody_stopped_is_named_beside_no_other():
    def container(running):
        return {"Config": {"Labels": {"com.docker.compose.config-hash": "1"}}, "State": {"Running": running}}

    services = {"db": {"restart": "always"}, "init": {}, "web": {"restart": "always"}}
    found = FakeStack(services, containers={"db": container(False), "init": container(False), "web": container(True)})
    hashes = type("Cli", (), {"hashes": lambda self: {"db": "1", "init": "1", "web": "1"}})()
    assert recreate.as_written(found, hashes) == {"init", "web"}


# -- compose -----------------------------------------------------------------------------------------------------------


def test_what_compose_said_is_found_among_its_warnings():
    warning = 'time="2026-01-01T00:00:00Z" level=warning msg="The \\"X\\" variable is not set."\n'
    error = "validating /p/o.yml: services.a.networks Additional property  is not allowed\n"
    assert compose_cli.said(Completed(15, "", warning + error + warning)) == error.strip()
    assert compose_cli.said(Completed(3, "", warning)) == "it ended with 3"


def test_root_does_not_obey_what_an_env_file_says_for_compose_itself():
    call = compose_cli.Compose(None, "/p", "app", ["/p/c.yml"], [], ["init"])
    assert call.argv("config")[-5:] == ["--env-file", "/dev/null", "--profile", "init", "config"]
    assert {"LD_PRELOAD", "DOCKER_CONFIG", "COMPOSE_FILE"} <= set(compose_cli.GUARDED)


def test_a_network_named_by_a_variable_is_named_for_every_way_of_starting():
    model = {"services": {"mc": {"networks": {"app_network": None}}, "db": {"networks": {"app_network": None}}}}
    raw = {"services": {"mc": {"networks": {"${NETWORK}": None}}, "db": {"networks": {"app_network": None}}}}
    text = stack.first_document(model, raw)
    assert "mc:" in text and "!override" in text and "- app_network" in text
    assert "db:" not in text


def test_an_include_with_a_variable_is_told_of_with_what_to_do(monkeypatch):
    def model(_self, interpolate=True):
        if interpolate:
            return {"services": {}}
        raise ChangeError("docker compose config: open /p/${DIR:-x}/a.yml: no such file or directory")

    monkeypatch.setattr(compose_cli.Compose, "model", model)
    with pytest.raises(ChangeError, match=r"no such file.*write out \$\{DIR:-x\} in `include:`.*Nothing was changed"):
        compose_cli.Compose(None, "/p", "p", [], [], []).models()


def test_its_other_names_and_its_address_in_such_a_network_stay():
    given = {"aliases": ["db", "cash$"], "ipv4_address": "172.20.0.5", "priority": 5}
    model = {"services": {"db": {"networks": {"app_network": given, "other": None}}}}
    raw = {"services": {"db": {"networks": {"${NETWORK}": given, "other": None}}}}
    text = stack.first_document(model, raw)
    assert text.endswith(
        '  db:\n    networks: !override\n      app_network:\n        aliases:\n          - db\n          - "cash$$"\n'
        '        ipv4_address: "172.20.0.5"\n        priority: 5\n      other: null\n'
    )


# -- a container of its own ----------------------------------------------------------------------------------------------


class Runs:
    """A compose that only remembers what it was called with."""

    files = ("/srv/app/docker-compose.yml", "/srv/app/docker-compose.override.yml")

    def __init__(self, networks, calls=None, files=None):
        self.networks, self.calls, self.files = networks, [] if calls is None else calls, files or self.files

    def but(self, files):
        return Runs(self.networks, self.calls, files)

    def model(self):
        return {"services": {"nginx": {"networks": self.networks}}}

    def run(self, *words, timeout):
        texts = [path.read_text() for path in map(pathlib.Path, self.files) if not str(path).startswith("/srv/app/")]
        self.calls.append((words, texts))


def run_once(tmp_path, networks, now=None):
    found = stack.Stack.__new__(stack.Stack)
    found.services, found.cli = {"nginx": {"networks": networks}}, Runs(now or networks)
    found.scratch = lambda: contextlib.nullcontext(str(tmp_path))
    found.run_once("nginx", ["nginx", "-t"])
    (call,) = found.cli.calls
    return call


@pytest.mark.parametrize("networks", [{}, {"app": None}, {"app": {"aliases": ["web"], "ipv4_address": ""}}], ids=str)
def test_a_one_off_is_made_of_the_files_as_they_are(tmp_path, networks):
    words, extra = run_once(tmp_path, networks)
    assert words[:2] == ("run", "--rm") and words[-4:] == ("--entrypoint", "nginx", "nginx", "-t") and extra == []


def test_a_one_off_takes_no_address_that_the_services_container_has(tmp_path):
    fixed = {"app": {"ipv4_address": "172.18.0.9", "aliases": ["web"]}}
    words, extra = run_once(tmp_path, fixed, dict(fixed, inner=None))
    assert words[:2] == ("run", "--rm")
    assert extra == ["services:\n  nginx:\n    networks: !override\n      - app\n      - inner\n"]
