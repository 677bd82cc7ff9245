# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked before anything is made anew, and what is taken back where nothing is."""

from __future__ import annotations

import types

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part
from ansible_collections.nself.prod.plugins.module_utils.change.stack.transaction import Transaction
from ansible_collections.nself.prod.plugins.module_utils.host import Completed

BROKEN = 'nginx: [warn] x\n2026/01/01 [emerg] 7#7: host not found in upstream "functions" in /etc/nginx/sites/f.conf:15\nnginx: test failed\n'


class Stack:
    host = None

    def __init__(self, done, runs=True):
        self.done, self.runs = done, runs

    def started(self):
        return {}

    def running(self, _service):
        return self.runs

    def exec(self, _service, argv):
        assert argv == ["nginx", "-t"]
        return self.done

    def redact(self, text):
        return text


class Registry:
    """The engine of a host, and the part that fetches for it."""

    def __init__(self):
        self.images = set()

    def run(self, argv, **_options):
        return Completed(0 if argv[-1] in self.images else 1, "", "")

    def fetch(self, _changes):
        self.images.add("auth:2")


def test_an_image_is_fetched_before_one_that_is_missing_stops_the_run(monkeypatch):
    class Armed(Exception):
        """What comes after the look at the images."""

    def make_sure():
        raise Armed

    stack, registry = Stack(None), Registry()
    stack.host = registry
    monkeypatch.setattr(Transaction, "_make_room", lambda _self, _new: None)
    new = types.SimpleNamespace(recreated=["auth"], model={"auth": {"image": "auth:2"}}, make_sure=make_sure)
    with pytest.raises(Armed):
        Transaction(stack, [registry], [], None, 1.0)._enforce(new)
    new.model = {"auth": {"image": "auth:3"}}
    with pytest.raises(Refused, match="auth:3 of auth is not on this host"):
        Transaction(stack, [registry], [], None, 1.0)._enforce(new)


def ask(*args):
    Transaction(Stack(*args), [], [], None, 1.0)._starts_again("web")


def test_an_nginx_that_would_not_start_again_is_not_made_anew():
    with pytest.raises(
        Refused, match='^web runs, but would not start again .*upstream "functions" in .*nothing was changed$'
    ):
        ask(Completed(1, "", BROKEN))


def test_one_that_would_or_cannot_be_asked_is():
    ask(Completed(0, "", "nginx: test is successful\n"))
    ask(Completed(127, "", "nginx: not found\n"))
    ask(Completed(1, "", BROKEN), False)


# -- where no file differs ---------------------------------------------------------------------------------------------


class Step(Part):
    """A part that says what is done with it, and fails where it is told to."""

    def __init__(self, name, log, **fails):
        self.name, self.log, self.fails, self.stays = name, log, fails, []

    def _do(self, what):
        self.log.append("%s %s" % (what, self.name))
        if what in self.fails:
            raise self.fails[what]

    def settle(self, changes):
        self._do("settle")
        changes.note("%s was set" % self.name)

    def verify(self):
        self._do("verify")

    def finish(self, changes):
        self._do("finish")

    def revert(self):
        self._do("revert")


def settled(*steps):
    changes = Changes(None, False)
    Transaction(Stack(None), steps, [], changes, 1.0)._settle_only()
    return changes


def test_what_other_parts_have_set_is_taken_back_too():
    log = []
    with pytest.raises(ChangeError, match="^no; what was set was put back"):
        settled(Step("a", log), Step("b", log, settle=Mismatch("no")), Step("c", log))
    assert log == ["settle a", "settle b", "revert b", "revert a"]


def test_after_a_failed_proof_all_is_taken_back():
    log = []
    with pytest.raises(ChangeError, match="^KeyError: 'x'; what was set was put back"):
        settled(Step("a", log, verify=KeyError("x")), Step("b", log))
    assert log == ["settle a", "settle b", "verify a", "revert b", "revert a"]


def test_the_first_cause_is_told_also_where_taking_back_fails():
    log = []
    with pytest.raises(ChangeError, match="^no; putting it back met with: b: gone; a: KeyError: 'k'$"):
        settled(Step("a", log, revert=KeyError("k")), Step("b", log, settle=Mismatch("no"), revert=ChangeError("gone")))


def test_nothing_is_taken_back_where_nothing_fails():
    log = []
    assert settled(Step("a", log)).changed
    assert log == ["settle a", "verify a", "finish a"]
