# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that were made before the files were changed: with the files alone a rollback would not bring them back as they ran."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.stack import drift, override
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost
from fake_stack import FakeStack

IMAGE = {"Config": {"Entrypoint": ["/auth"], "Cmd": ["serve"], "Env": ["PATH=/bin"]}}
MODEL = {"image": "auth:1", "environment": {"KEY": "a$b", "UNSET": None}, "entrypoint": None, "command": None}


def world(image="sha256:1", **config):
    config = dict(
        {"Image": "auth:1", "Entrypoint": ["/auth"], "Cmd": ["serve"], "Env": ["PATH=/bin", "KEY=a$b"]}, **config
    )
    host = FakeHost(commands={"docker": Completed(0, image + "\n", "")})
    return FakeStack(containers={"auth": {"Image": "sha256:1", "Config": config}}, images={"auth": IMAGE}, host=host)


def test_a_container_that_is_as_its_files_say_needs_nothing():
    assert drift.frozen(world(), ["auth", "none"], {"auth": MODEL}) == {}
    assert drift.frozen(world(), ["auth"], {"auth": dict(MODEL, image=None)}) == {}


@pytest.mark.parametrize(
    "edit",
    [
        {"entrypoint": ["sh", "-c", "exit 3"]},
        {"command": ["other"]},
        {"environment": {"KEY": "new"}},
        {"environment": {"KEY": "a$b", "MORE": "1"}},
        {"environment": {}},
        {"image": "auth:2"},
    ],
    ids=str,
)
def test_an_edit_that_is_not_started_yet_is_not_what_comes_back(edit):
    was = drift.frozen(world(), ["auth"], {"auth": dict(MODEL, **edit)})
    assert was == {
        "services": {
            "auth": {
                "image": "auth:1",
                "entrypoint": ["/auth"],
                "command": ["serve"],
                "environment": ["PATH=/bin", "KEY=a$$b"],
            }
        }
    }
    text = override.yaml(was)
    assert text.count("!override") == 3 and '"KEY=a$$b"' in text


def test_an_image_whose_name_has_moved_on_is_named_by_its_digest():
    was = drift.frozen(world("sha256:2"), ["auth"], {"auth": MODEL})
    assert was["services"]["auth"]["image"] == "sha256:1"
