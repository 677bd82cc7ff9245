# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed loop keeps what it has found, and takes no rate limit for a verdict."""

from __future__ import annotations

import json

from truth.loop import Results
from truth.mending import mendable
from truth.target import Target, too_often

FIRST, SECOND = [item.name for item in mendable()][:2]
LIMITED = {"AUTH-03": ("unknown", "Hasura answered 429 at /v1/graphql", {})}
CALM = {"AUTH-03": ("pass", "refused", {})}


class Audited(Target):
    """A host that gives these audits, one after the other."""

    def __init__(self, *audits):
        super().__init__("host")
        self.audits = list(audits)

    def audit(self):
        return self.audits.pop(0)


def names(path):
    return [item["name"] for item in json.loads(path.read_text())["results"]]


def test_each_result_is_on_disk_at_once(tmp_path):
    results = Results(tmp_path / "new" / "loop.json", keep=True)
    results.add({"name": SECOND, "mistakes": []})
    assert names(results.path) == [SECOND]


def test_a_run_of_some_breaks_keeps_the_results_of_the_others_and_replaces_its_own(tmp_path):
    path = tmp_path / "loop.json"
    old = [{"name": "one that is no more"}, {"name": SECOND, "mistakes": ["x"]}, {"name": FIRST, "mistakes": ["x"]}]
    path.write_text(json.dumps({"results": old}))
    Results(path, keep=True).add({"name": SECOND, "mistakes": []})
    assert json.loads(path.read_text())["results"] == [
        {"name": FIRST, "mistakes": ["x"]},
        {"name": SECOND, "mistakes": []},
    ]
    Results(path, keep=False).add({"name": FIRST, "mistakes": []})
    assert names(path) == [FIRST]


def test_an_audit_that_was_answered_too_often_is_made_again():
    host = Audited(LIMITED, LIMITED, CALM)
    assert host.calm_audit(tries=5, pause=0) == CALM
    assert not host.audits


def test_a_name_that_was_asked_no_further_is_not_known_for_the_same_reason():
    found = {
        "NET-12": ("unknown", "1 of 16: api.localhost: api.localhost limits requests, so it was asked no further", {})
    }
    assert too_often(found) == ["NET-12"]


def test_there_is_an_end_to_waiting():
    assert Audited(LIMITED, LIMITED, CALM).calm_audit(tries=2, pause=0) == LIMITED
