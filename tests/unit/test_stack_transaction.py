# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked before anything is made anew."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.transaction import Transaction
from ansible_collections.nself.prod.plugins.module_utils.host import Completed

BROKEN = 'nginx: [warn] x\n2026/01/01 [emerg] 7#7: host not found in upstream "functions" in /etc/nginx/sites/f.conf:15\nnginx: test failed\n'


class Stack:
    host = None

    def __init__(self, done, runs=True):
        self.done, self.runs = done, runs

    def running(self, _service):
        return self.runs

    def exec(self, _service, argv):
        assert argv == ["nginx", "-t"]
        return self.done

    def redact(self, text):
        return text


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
