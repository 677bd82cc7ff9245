# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the catalogue, in the order of their ids."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.checks import (
    accounts,
    auditd,
    auth_service,
    containers,
    declared,
    docker_daemon,
    fail2ban,
    firewall,
    hasura,
    hasura_api,
    hasura_permissions,
    jwt,
    mac,
    platform,
    ports,
    postgres_access,
    postgres_roles,
    postgres_settings,
    postgres_tls,
    secrets,
    services,
    ssh,
    ssh_crypto,
    stack,
    sysctl,
    updates,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORY_OF_PREFIX

MODULES = (
    accounts,
    auditd,
    auth_service,
    containers,
    declared,
    docker_daemon,
    fail2ban,
    firewall,
    hasura,
    hasura_api,
    hasura_permissions,
    jwt,
    mac,
    platform,
    ports,
    postgres_access,
    postgres_roles,
    postgres_settings,
    postgres_tls,
    secrets,
    services,
    ssh,
    ssh_crypto,
    stack,
    sysctl,
    updates,
)


def _order(check):
    prefix, number = check.id.split("-", 1)
    return list(CATEGORY_OF_PREFIX).index(prefix), int(number)


CHECKS = tuple(sorted((check for module in MODULES for check in module.CHECKS), key=_order))
