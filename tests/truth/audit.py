# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit the host that this runs on and print {check: [status, text, {resource: status}]} as JSON. Runs on the test host, without Ansible.

argv: a JSON object with policy and outside, the controller's view as the action plugin would hand it over.
"""

import json
import sys

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Options
from ansible_collections.nself.prod.plugins.module_utils.audit.run import audit
from ansible_collections.nself.prod.plugins.module_utils.host import Host

given = json.loads(sys.argv[1])
options = Options(**{key: value for key, value in given.items() if key != "policy"})
report = audit(Host(), options, policy=given.get("policy"))
print(
    json.dumps(
        {
            item["id"]: [item["status"], item["actual"], {part["name"]: part["status"] for part in item["resources"]}]
            for item in report["findings"]
        }
    )
)
