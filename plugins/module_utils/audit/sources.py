# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every collector of the audit, in the order in which their facts stand in the tree."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import (
    accounts,
    auditd,
    containers,
    deployment,
    docker,
    fail2ban,
    files,
    firewall,
    hasura,
    minio,
    networks,
    nginx,
    nginx_facts,
    platform,
    ports,
    postgres,
    project,
    redis,
    rendered,
    rotation,
    services,
    ssh,
    sysctl,
    time_sync,
    tls,
    updates,
    web,
)

MODULES = (
    accounts,
    auditd,
    containers,
    deployment,
    docker,
    fail2ban,
    files,
    firewall,
    hasura,
    minio,
    networks,
    nginx,
    nginx_facts,
    platform,
    ports,
    postgres,
    project,
    redis,
    rendered,
    rotation,
    services,
    ssh,
    sysctl,
    time_sync,
    tls,
    updates,
    web,
)

COLLECTORS = tuple(collector for module in MODULES for collector in module.COLLECTORS)
