# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Auditing a whole stack: the same twice, and nothing is written, neither to files nor to the database, the object store or the firewall."""

from __future__ import annotations

import json
import re
import time

import lab as labs
import pytest
from told import DEMO, MENDED, Stack

POLICY = json.dumps({"nself_check_policy": {"nopasswd_users": ["deploy"]}})
VOLATILE = ("generated_at", "duration_ms")


PAUSE = 20  # seconds after which the rate limits that nself ships have forgotten the questions of the last audit


def run(output):
    time.sleep(PAUSE)
    finished = labs.play("-e", "nself_check_output=%s" % output, "-e", POLICY, "-e", "nself_check_fail_on=none")
    assert finished.returncode == 0, finished.stdout
    return finished.stdout


def timeless(value):
    """A report without time and duration, nor ages, of which one may turn between two runs."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, str):
        return re.sub(r"\b\d+ days\b", "some days", value)
    return [timeless(item) for item in value] if isinstance(value, list) else value


def late(report):
    """Whether something on a host did not answer in time, as on a machine that has too much to do."""
    found = [item for host in report["hosts"] for item in host["findings"]]
    return any(part["reason"] == "timeout" for item in found for part in [item, *item["resources"]])


def test_the_same_twice_gives_the_same_report(tmp_path):
    reports = []
    for number in range(6):
        run(tmp_path / ("%d.json" % number))
        report = json.loads((tmp_path / ("%d.json" % number)).read_text())
        reports += [] if late(report) else [timeless(report)]
        if len(reports) == 2:
            break
    first, second = reports
    # What differs is easier to read than where two long texts part.
    for one, other in zip(first["hosts"], second["hosts"]):
        differing = [(a["id"], a["actual"], b["actual"]) for a, b in zip(one["findings"], other["findings"]) if a != b]
        assert not differing, one["host"]
    assert json.dumps(first) == json.dumps(second)


STATE = {
    # What nginx and PostgreSQL log of the questions is not the audit's own writing.
    "files": "find /var/www/nself /etc /root /srv -not -path '*/logs/*' -not -path '/root/.ansible*' -type f -printf '%p %m %u %g %s %T@\\n' | sort",
    "firewall": "iptables-save | grep -v '^[#:]'; ip6tables-save | grep -v '^[#:]'",
    "volumes": "cd /var/lib/docker/volumes && find . -path '*_redis_data/*' -o -path '*_minio_data/*' -o -path '*_nginx_cache/*' | sort",
    "containers": "docker ps -a --no-trunc --format '{{.ID}} {{.Image}} {{.State}}' | sort",
}
CATALOGUE = (
    "SELECT n.nspname || '.' || concat_ws(' ', c.relname, c.relkind, c.relacl, c.xmin) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast') ORDER BY 1"
)
WRITES = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables ORDER BY 1"


def state_of(name):
    host = labs.lab(name)
    found = {key: host.sh(command) for key, command in STATE.items()}
    found["catalogue"] = Stack(host).sql(CATALOGUE)
    found["roles"] = Stack(host).sql("SELECT rolname, rolsuper, rolpassword FROM pg_authid ORDER BY 1")
    found["rows"] = Stack(host).sql(WRITES)
    assert found["files"] and found["catalogue"] and found["containers"]
    return found


@pytest.mark.parametrize("name", [DEMO, MENDED])
def test_nothing_is_written(name, tmp_path):
    before = state_of(name)
    assert "changed=0" in run(tmp_path / "report.json")
    after = state_of(name)
    assert {key for key in before if before[key] != after[key]} == set()
