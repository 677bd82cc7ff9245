# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the module nself_deployment takes nself's settings for the parts' options (by Ansible's own validation: ansible.module_utils)."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import deployment
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.auth import Auth

# What the module validates with; an old Python of a host has no Ansible.
pytest.importorskip("ansible.module_utils.common.arg_spec")


class Containers(Part):
    name = "containers"
    SPEC = {"limits": {"type": "dict", "default": {}}, "read_only": {"type": "bool", "default": True}}


class Stack:
    def __init__(self, **chain):
        self.chain = chain

    def started(self):
        return {"postgres": "postgres", "nself-admin": "admin", "express_api": ""}


def made(part, stack=None, settings=None, given=None, from_env=True):
    params = {"parts": {part.name: given or {}}, "settings": settings or {}, "settings_from_env": from_env}
    parts, told = deployment.with_options(stack or Stack(), [part], params, {})
    return parts[0], told


def test_a_variable_a_setting_and_the_env_files_in_this_order():
    env = Stack(AUTH_PASSWORD_MIN_LENGTH="14")
    assert made(Auth, env)[0].options["password_min_length"] == 14
    assert made(Auth, env, {"AUTH_PASSWORD_MIN_LENGTH": 16})[0].options["password_min_length"] == 16
    given = {"password_min_length": 20, "image": ""}
    assert made(Auth, env, {"AUTH_PASSWORD_MIN_LENGTH": 16}, given)[0].options["password_min_length"] == 20
    assert made(Auth, env, from_env=False)[0].options["password_min_length"] == 12


def test_what_the_env_files_say_in_vain_is_told_and_stops_nobody():
    env = Stack(
        AUTH_PASSWORD_HISTORY="5", AUTH_ACCESS_TOKEN_EXPIRY="soon", AUTH_MFA_ENABLED="false", BACKUP_ENCRYPTION="true"
    )
    part, told = made(Auth, env)
    assert part.options["mfa_enabled"] is True and part.options["access_token_seconds"] == 900
    assert len(told) == 3 and not any("BACKUP" in line for line in told)


def test_what_the_part_remembers_holds_no_secret():
    part, _told = made(Auth, Stack(AUTH_MFA_TOTP_ISSUER="Mine", HASURA_JWT_KEY="k" * 64, HSTS_MAX_AGE="1"))
    assert part.declared == {"AUTH_MFA_TOTP_ISSUER": "Mine"}


@pytest.mark.parametrize(
    "settings, words",
    [({"AUTH_PASSWORD_HISTORY": 5}, "nothing reads it"), ({"AUTH_ACCESS_TOKEN_EXPIRY": "soon"}, "span of time")],
)
def test_settings_that_cannot_be_are_refused(settings, words):
    with pytest.raises(Refused, match=words):
        made(Auth, settings=settings)


def test_an_option_that_there_is_not_is_refused():
    with pytest.raises(Refused, match="mfa_enabld"):
        made(Auth, given={"mfa_enabld": True})


def test_limits_find_their_services():
    settings = {
        "CONTAINER_MEMORY_LIMIT": "256m",
        "POSTGRES_MEMORY_LIMIT": "1g",
        "NSELF_ADMIN_CPU_LIMIT": 0.5,
        "EXPRESS_API_CPU_LIMIT": 1,
    }
    assert made(Containers, settings=settings)[0].options["limits"] == {
        "postgres": {"memory": "1g"},
        "nself-admin": {"memory": "256m", "cpus": "0.5"},
        "express_api": {"memory": "256m", "cpus": "1"},
    }


@pytest.mark.parametrize("name", ["MISSING_MEMORY_LIMIT", "REDSI_CPU_LIMIT"])
def test_a_limit_of_what_is_no_service_is_refused(name):
    with pytest.raises(Refused, match=name.partition("_")[0]):
        made(Containers, settings={name: "1g"})


def test_settings_of_a_fleet_stop_no_host_that_lacks_the_service():
    settings = {"REDIS_MEMORY_LIMIT": "256m", "POSTGRES_MEMORY_LIMIT": "1g", "BULL_BOARD_CPU_LIMIT": 1}
    part, told = made(Containers, settings=settings)
    assert part.options["limits"] == {"postgres": {"memory": "1g"}}
    assert len(told) == 2 and "REDIS" in told[1] and "BULL_BOARD" in told[0]


def test_settings_of_roles_that_are_not_in_the_run_neither_stop_it_nor_are_told():
    settings = {"REDIS_MEMORY_LIMIT": "256m", "MISSING_MEMORY_LIMIT": "1g", "HSTS_MAX_AGE": "nonsense"}
    part, told = made(Auth, settings=dict(settings, AUTH_PASSWORD_MIN_LENGTH=16))
    assert part.options["password_min_length"] == 16 and told == []


@pytest.mark.parametrize("name", ["HSTS_MAX_AEG", "AUTH_PASSWORD_MIN_LENTGH", "AUTH_PASSWORD_HISTORY"])
def test_what_nothing_follows_is_refused_in_every_run(name):
    with pytest.raises(Refused, match=name):
        made(Containers, settings={name: "16"})


def test_limits_of_the_env_files_are_left_to_the_part_that_reads_them():
    part, told = made(Containers, Stack(POSTGRES_MEMORY_LIMIT="1g", NOBODY_MEMORY_LIMIT="1g"))
    assert part.options["limits"] == {} and told == []
    assert part.declared == {"POSTGRES_MEMORY_LIMIT": "1g", "NOBODY_MEMORY_LIMIT": "1g"}


def test_a_secret_that_no_role_takes_is_refused():
    deployment.refuse_unknown_secrets({"auth_jwt": "x", "HASURA_JWT_KEY": "x"})
    for name in ("BACKUP_ENCRYPTION_KEY", "something"):
        with pytest.raises(Refused, match=name):
            deployment.refuse_unknown_secrets({name: "x"})
