# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the catalogue, in the order of their ids."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.checks import (
    accounts,
    auditd,
    auth_service,
    certificates,
    containers,
    cors,
    declared,
    docker_daemon,
    fail2ban,
    firewall,
    hasura,
    hasura_api,
    hasura_permissions,
    header_consistency,
    http_headers,
    jwt,
    mac,
    minio,
    networks,
    nginx,
    platform,
    ports,
    postgres_access,
    postgres_audit_log,
    postgres_roles,
    postgres_schema,
    postgres_settings,
    postgres_tls,
    redis,
    second_factor,
    secret_care,
    secrets,
    services,
    ssh,
    ssh_crypto,
    stack,
    sysctl,
    tls,
    updates,
    web_access,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.model import CATEGORY_OF_PREFIX

MODULES = (
    accounts,
    auditd,
    auth_service,
    certificates,
    containers,
    cors,
    declared,
    docker_daemon,
    fail2ban,
    firewall,
    hasura,
    hasura_api,
    hasura_permissions,
    header_consistency,
    http_headers,
    jwt,
    mac,
    minio,
    networks,
    nginx,
    platform,
    ports,
    postgres_access,
    postgres_audit_log,
    postgres_roles,
    postgres_schema,
    postgres_settings,
    postgres_tls,
    redis,
    second_factor,
    secret_care,
    secrets,
    services,
    ssh,
    ssh_crypto,
    stack,
    sysctl,
    tls,
    updates,
    web_access,
)


def _order(check):
    prefix, number = check.id.split("-", 1)
    return list(CATEGORY_OF_PREFIX).index(prefix), int(number)


CHECKS = tuple(sorted((check for module in MODULES for check in module.CHECKS), key=_order))
