# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host on which every file and every command says something that means nothing: no check may pass there, and nothing may crash."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options
from ansible_collections.nself.prod.plugins.module_utils.audit.run import audit
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from fake_host import FakeHost
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

PROJECT = "/opt/nself"
# What an empty answer means is not for this test: no process listens, nothing is enabled, no user exists.
WORDS = st.sampled_from(
    ["{", "}", "[", "]", ":", "=", "-", "#", '"', "'", "\\", "\n", "\t", " ", "0", "1", "no", "yes", "on", "off", "*", "root", "port", "deny",
     "filter", ":INPUT DROP", "Status: active", "default", "COMMIT", "permitrootlogin", "\0", "é", "0.0.0.0", "::", "services:", "ok"]
)  # fmt: skip
RUBBISH = st.lists(WORDS, min_size=1, max_size=40).map("".join).filter(lambda text: text.strip())


class RubbishHost(FakeHost):
    """Says the same text whatever is asked of it."""

    def __init__(self, text):
        super().__init__(files={PROJECT + "/.env": text, PROJECT + "/docker-compose.yml": text})
        self.text = text

    def read_bytes(self, path, limit=4 << 20):
        return self.text.encode("utf-8")

    def run(self, argv, timeout=5.0, stdin="", env=None, cwd="/", owner=None):
        return Completed(0, self.text, "")

    def which(self, name):
        return "/usr/bin/" + name

    def connect(self, address, port, timeout=3.0):
        self.peers[address, port] = self.text.encode("utf-8")
        return super().connect(address, port, timeout)


@example(text=":INPUT DROP={", directory=None)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=RUBBISH, directory=st.sampled_from([None, PROJECT]))
def test_rubbish_never_passes_and_never_crashes(text, directory):
    report = audit(RubbishHost(text), Options(directory))
    assert not [item["detail"] for item in report["problems"] if "crashed" in item["detail"]]
    assert not [(item["id"], item["actual"]) for item in report["findings"] if "crashed" in item["actual"]]
    assert not [(item["id"], item["actual"]) for item in report["findings"] if item["status"] == "pass"]
