# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that roles of harden.yml mend and that do not pass on the hardened test host, and why. Everything else has to pass, or not to be
about anything there.
"""

from __future__ import annotations

# What belongs to the machine that runs the test, as on every test host (molecule/harden/tests/exceptions.py).
OF_THE_MACHINE = {
    "INFRA-22": "the clock belongs to the machine below the container",
    "INFRA-26": "kernel.* and fs.* belong to the machine below the container",
}
# What only people can decide or give, or no test host has.
OF_THE_DEPLOYMENT = {
    "AUTH-10": "mailpit is the only mail server that the demo project has: another one would have to be named",
    "AUTH-23": "the demo project's database has no users yet, so nobody's second factor can be looked at",
    "DATA-05": "MLflow has a database of its own, whose tables belong to the superuser that it logs in as",
    "DATA-19": "the same superuser can get past every grant",
    "INFRA-18": "nginx logs to its container's output unless nginx_logs_on_host says otherwise, so no jail can read it",
    "INFRA-31": "promtail and cAdvisor read what is root's, and the project's own services write into their images as root",
    "INFRA-37": "cAdvisor and node-exporter look at the whole disk: policy mount_exempt_services is the user's word for that",
    "INFRA-38": "the images come from no registry, so they have no digest, and no scanner can be had",
    "INFRA-40": "three lines of nself's own .env.dev say something weaker than what is in force: they are the user's to take out",
}
EXCEPTIONS = {**OF_THE_MACHINE, **OF_THE_DEPLOYMENT}
