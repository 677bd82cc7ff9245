# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of nself_deployment."""

import pytest
from ansible_collections.nself.prod.plugins.action.nself_deployment import sorted_out


def test_secrets_among_the_settings_travel_as_secrets():
    given = {
        "parts": {},
        "settings": {"HSTS_MAX_AGE": 31536000, "HASURA_JWT_KEY": "k", "AUTH_ACCESS_TOKEN_EXPIRY": "15m"},
    }
    found = sorted_out(given)
    assert found["settings"] == {"HSTS_MAX_AGE": 31536000, "AUTH_ACCESS_TOKEN_EXPIRY": "15m"}
    assert found["secrets"] == {"HASURA_JWT_KEY": "k"} and found["parts"] == {}


def test_a_secret_of_a_role_counts_more_than_a_setting():
    found = sorted_out({"settings": {"REDIS_PASSWORD": "a"}, "secrets": {"REDIS_PASSWORD": "b", "auth_jwt": "c"}})
    assert found["secrets"] == {"REDIS_PASSWORD": "b", "auth_jwt": "c"} and found["settings"] == {}


def test_a_secret_that_a_role_was_not_given_does_not_take_the_settings_place():
    found = sorted_out({"settings": {"HASURA_JWT_KEY": "a"}, "secrets": {"HASURA_JWT_KEY": "", "auth_jwt": None}})
    assert found["secrets"] == {"HASURA_JWT_KEY": "a"}


@pytest.mark.parametrize("args", [{}, {"settings": "text"}, {"settings": {"HASURA_JWT_KEY": "k"}, "secrets": "text"}])
def test_what_is_no_mapping_is_for_the_module_to_refuse(args):
    assert sorted_out(args) == args
