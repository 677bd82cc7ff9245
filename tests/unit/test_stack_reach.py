# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which address a service is asked."""

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.stack import reach, units
from ansible_collections.nself.prod.plugins.module_utils.change.stack.stack import Stack


def container(mode="app_default", identifier="1", **networks):
    return {
        "Id": identifier,
        "HostConfig": {"NetworkMode": mode},
        "NetworkSettings": {"Networks": networks},
        "State": {"Running": True, "Pid": 7},
    }


V6 = {"IPAddress": "", "GlobalIPv6Address": "fd00:1::4"}
BOTH = {"IPAddress": "172.18.0.4", "GlobalIPv6Address": "fd00:1::4"}


def project(**containers):
    """Return a stack as it is read, of these containers only."""
    stack = Stack.__new__(Stack)
    stack._containers, stack.services = containers, dict.fromkeys(containers, {})
    return stack


def test_a_network_of_ipv6_only_has_addresses_too():
    assert reach.address(project(auth=container(a=V6)), "auth") == "fd00:1::4"
    assert reach.address(project(auth=container(a=V6, b=BOTH)), "auth") == "172.18.0.4"
    assert reach.named("fd00:1::4", 8080) == "[fd00:1::4]:8080" and reach.named("172.18.0.4", 80) == "172.18.0.4:80"


def test_the_hosts_own_network_and_that_of_another_service():
    stack = project(
        auth=container("host"),
        hasura=container("container:abc"),
        vpn=container(identifier="abc", a=BOTH),
        gone=container(),
    )
    assert reach.address(stack, "auth") == "127.0.0.1"
    assert reach.address(stack, "hasura") == "172.18.0.4"
    with pytest.raises(ChangeError, match="gone has no address"):
        reach.address(stack, "gone")


def test_what_the_audits_probes_take_has_them_as_well():
    stack = project(minio=container(a=V6))
    stack.environment = lambda _service: {}
    assert units.running_unit(stack, "minio")["addresses"] == ["fd00:1::4"]
