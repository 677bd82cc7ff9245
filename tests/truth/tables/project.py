# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's files, its metadata, MinIO's buckets, Redis, networks and containers of others."""

from __future__ import annotations

import json

from truth.mutation import Mutation, fails
from truth.tables.auth import variable
from truth.tables.postgres import PUBLISHED

PROJECT = "/var/www/nself"
METADATA = PROJECT + "/hasura/metadata.json"
ENV = PROJECT + "/.env"
BUCKETS = PROJECT + "/minio/buckets.json"
BACKUPS = PROJECT + "/backups"
REDIS = PROJECT + "/redis/redis.conf"
RESTART_REDIS = "docker restart -t 1 $(container redis) >/dev/null\nwait_for 60 healthy redis"
NO_KEY = json.dumps(
    {"services": {"minio": {"environment": {"MINIO_KMS_SECRET_KEY": "", "MINIO_KMS_AUTO_ENCRYPTION": "off"}}}}
)
OTHER_AUTH = json.dumps({"services": {"auth": {"image": "acme/auth:1.0.0"}}})
A_FINDING = '"Vulnerabilities": [{"VulnerabilityID": "CVE-2026-0001", "Severity": "CRITICAL", "FixedVersion": "2"}]'


def edit(name, path, change, *checks, lean=False, after="", **others):
    return Mutation(
        name, "edit %s '%s'\n%s" % (path, change, after), "back %s\n%s" % (path, after), fails(*checks, **others), lean
    )


MUTATIONS = (
    edit("anonymous may read every row", METADATA, 's/\\{"published": \\{"_eq": true\\}\\}/{}/', "AUTH-05"),
    edit(
        "everybody sees the schema",
        METADATA,
        's/"disabled_for_roles": \\["anonymous"\\]/"disabled_for_roles": []/',
        "AUTH-06",
    ),
    edit(
        "a role may insert anything",
        METADATA,
        's/"check": \\{"user_id": \\{"_eq": "X-Hasura-User-Id"\\}\\}/"check": {}/',
        "AUTH-32",
    ),
    edit("a query has no limit", METADATA, 's/, "limit": 50//', "AUTH-33"),
    variable("HASURA_GRAPHQL_ADMIN_SECRET", "", "AUTH-03", "AUTH-04", "AUTH-06", "DATA-31", "INFRA-40", where="hasura"),
    variable("HASURA_GRAPHQL_ENABLED_APIS", "graphql,metadata,pgdump,config", "AUTH-07", where="hasura"),
    variable("HASURA_GRAPHQL_CORS_DOMAIN", "*", "NET-20", "NET-22", "INFRA-40", where="hasura"),
    variable("HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT", "60", "AUTH-33", where="hasura"),
    variable(
        "HASURA_GRAPHQL_JWT_SECRET",
        '{"type": "HS512", "key": "${POSTGRES_PASSWORD}${REDIS_PASSWORD}"}',
        "AUTH-12",
        "AUTH-15",
        where="hasura",
        called="hasura has another key for tokens than the auth service",
    ),
    variable("AUTH_REQUIRE_ELEVATED_CLAIM", "disabled", "AUTH-24"),
    edit("a setting that nothing reads", ENV, "$aAUTH_ACCESS_TOKEN_EXPIRY=5m", "INFRA-40", lean=True),
    edit("a password rule that nothing reads", ENV, "$aAUTH_PASSWORD_REQUIRE_UPPERCASE=true", "AUTH-21", "INFRA-40"),
    Mutation("the settings are open to all", "chmod 0644 %s" % ENV, "chmod 0600 %s" % ENV, fails("DATA-29"), True),
    edit(
        "the ledger is old",
        PROJECT + "/.nself-prod/rotation.json",
        "s/20[0-9]{2}-[0-9]{2}-[0-9]{2}/2020-01-01/g",
        "DATA-33",
    ),
    edit(
        "a bucket is public",
        PROJECT + "/minio/buckets.json",
        's/"uploads": \\{"public": false/"uploads": {"public": true/',
        "DATA-27",
    ),
    Mutation(
        "MinIO encrypts nothing",
        "edit %s 's/\"encrypted\": true/\"encrypted\": false/g'\npatch '%s' minio" % (BUCKETS, NO_KEY),
        "back %s\nunpatch minio" % BUCKETS,
        fails("DATA-26", "INFRA-40"),
    ),
    edit(
        "Redis lets everybody in",
        REDIS,
        "s/^requirepass.*//; s/protected-mode yes/protected-mode no/",
        "DATA-28",
        lean=True,
        after=RESTART_REDIS,
    ),
    Mutation(
        "a stranger on the project's network",
        "docker run -d --name stranger --network mended_project redis:7.4.0-alpine redis-server >/dev/null",
        "docker rm -f stranger >/dev/null",
        fails("NET-27"),
    ),
    Mutation(
        "a secret on a command line",
        "printf '#!/bin/sh\\nsleep 600\\n' >/root/truth/job\nchmod +x /root/truth/job\n. %s\n"
        '/root/truth/job --key="$REDIS_PASSWORD" >/dev/null 2>&1 &\necho $! >/root/truth/job.pid\nsleep 1' % ENV,
        'kill "$(cat /root/truth/job.pid)"\nrm /root/truth/job /root/truth/job.pid',
        fails("DATA-30"),
    ),
    variable("GF_SECURITY_ADMIN_PASSWORD", "admin", "DATA-31", "INFRA-40", where="grafana"),
    variable(
        "GF_SECURITY_ADMIN_PASSWORD", "${MEILISEARCH_MASTER_KEY}", "DATA-32", "DATA-34", "INFRA-40", where="grafana"
    ),
    variable("POSTGRES_PASSWORD", "${POSTGRES_PASSWORD}", "DATA-34", where="meilisearch"),
    Mutation(
        "the auth service is another one",
        "docker tag nhost/hasura-auth:0.36.0 acme/auth:1.0.0\npatch '%s' auth" % OTHER_AUTH,
        "unpatch auth\ndocker rmi acme/auth:1.0.0 >/dev/null",
        fails("AUTH-09", INFRA_38="unknown"),
    ),
    Mutation(
        "the database is reachable from outside",
        "patch '%s' postgres" % PUBLISHED,
        "unpatch postgres",
        fails("INFRA-04", "NET-25", "NET-26"),
    ),
    Mutation(
        "no backup since the day before yesterday",
        "touch -d '3 days ago' %s/*" % BACKUPS,
        'for day in 4 3 2 1 0; do touch -d "$day days ago" %s/app-$(date -d "$day days ago" +%%Y%%m%%d).sql.gz.enc; done'
        % BACKUPS,
        fails("DATA-20"),
        True,
    ),
    Mutation(
        "the newest backup is in clear",
        "umask 077\nhead -c 300000 /dev/urandom | gzip >%s/app-now.sql.gz" % BACKUPS,
        "rm %s/app-now.sql.gz" % BACKUPS,
        fails("DATA-21"),
    ),
    Mutation("the backups are open to all", "chmod 0755 %s" % BACKUPS, "chmod 0700 %s" % BACKUPS, fails("DATA-22")),
    edit(
        "the backups have not left the house",
        PROJECT + "/.nself-prod/offsite-sync.json",
        's/"20[0-9]{2}/"2020/',
        "DATA-23",
    ),
    edit("nobody has tried to restore", PROJECT + "/.nself-prod/restore-drill.json", 's/"20[0-9]{2}/"2020/', "DATA-24"),
    edit(
        "a scan found something",
        PROJECT + "/.nself-prod/scans/redis_7.4.0-alpine.json",
        's/"Class": "os-pkgs"/"Class": "os-pkgs", %s/' % A_FINDING,
        "INFRA-38",
    ),
    edit(
        "a floating tag",
        PROJECT + "/docker-compose.yml",
        "s/redis:7.4.0-alpine/redis:7-alpine/",
        "INFRA-38",
        after="up redis",
    ),
    edit(
        "the compose file was changed and nothing started",
        PROJECT + "/docker-compose.yml",
        "s/pids_limit: 200/pids_limit: 201/",
        "INFRA-39",
    ),
    edit("alerts go nowhere", PROJECT + "/monitoring/alertmanager/alertmanager.yml", "/webhook_configs/d", "INFRA-41"),
    Mutation(
        "the admin panel runs",
        "docker run -d --name panel --label com.docker.compose.project=mended --label com.docker.compose.service=nself-admin --user 1000 --read-only "
        "--cap-drop ALL --security-opt no-new-privileges:true --memory 64m --cpus 0.2 --pids-limit 50 nself/nself-admin:0.1.0 >/dev/null",
        "docker rm -f panel >/dev/null",
        fails("AUTH-08", INFRA_38="unknown", INFRA_39="unknown"),
    ),
)
