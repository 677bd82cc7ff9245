# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment has to be told, check by check: read in another way than the audit reads it, on a demo project and on a mended one.

A reading returns what is wrong, by the names that the audit gives to the same things: services, server names, buckets, files.
"""

from __future__ import annotations

import functools
import json
import re
from typing import NamedTuple

DEMO, MENDED = "stack", "good"
SECRET = re.compile(r"PASSWORD|SECRET|_KEY$")
URL = re.compile(r"postgres(?:ql)?://([^:]+):")


class Told(NamedTuple):
    read: object
    number: int  # how many things are wrong in the demo project; NSELF's own counts
    exact: bool  # whether the audit has to name all of them, or may name some and none other


TOLD = {}


def told(check, number, exact=True):
    """Register a reading of a check, which finds that many things wrong in the demo project."""

    def register(read):
        TOLD[check] = Told(read, number, exact)
        return read

    return register


class Stack:
    """One host with a deployment, as docker, psql, openssl and curl show it. Each question is put once."""

    def __init__(self, lab):
        self.lab = lab
        self.sh = lab.sh

    @functools.cached_property
    def containers(self):
        """docker inspect by service, also of what has ended."""
        found = json.loads(self.sh("docker inspect $(docker ps -aq --filter label=com.docker.compose.project)"))
        return {item["Config"]["Labels"]["com.docker.compose.service"]: item for item in found}

    def environment(self, service):
        pairs = self.containers[service]["Config"]["Env"] if service in self.containers else ()
        # A name alone takes away what the image has.
        return {name: value for name, mark, value in (pair.partition("=") for pair in pairs) if mark}

    def name(self, service):
        return self.containers[service]["Name"].lstrip("/")

    def services(self, wrong):
        """The services whose container satisfies wrong."""
        return {service for service, item in self.containers.items() if wrong(item)}

    def inside(self, service, command):
        """What a shell in the service's container prints."""
        return self.sh("docker exec -i %s sh <<'THE_END_OF_IT'\n%s\nTHE_END_OF_IT" % (self.name(service), command))

    def sql(self, query):
        """The first column of a query's rows, asked within the container as the superuser."""
        database = self.environment("postgres")["POSTGRES_DB"]
        return self.inside("postgres", 'psql -XAtq -U postgres -d %s -c "%s"' % (database, query)).split("\n")[:-1]

    @functools.cached_property
    def config(self):
        return self.inside("nginx", "nginx -T 2>/dev/null")

    @functools.cached_property
    def names(self):
        """All server names that a certificate is needed for."""
        found = {name for line in re.findall(r"^\s*server_name\s+([^;]+);", self.config, re.M) for name in line.split()}
        return sorted(found - {"_"})

    def named(self, first):
        return next(name for name in self.names if name.startswith(first + "."))

    def curl(self, options, names=None, path="/", scheme="https"):
        """{name: what curl prints} for each server name, asked through nginx on its own loopback."""
        lines = [
            'ask() { echo "=== $1"; curl -sk --max-time 5 --resolve $1:443:127.0.0.1 --resolve $1:80:127.0.0.1 %s %s://$1%s; echo; }'
            % (options, scheme, path)
        ]
        lines += ["ask %s" % name for name in (names if names is not None else self.names)]
        return self._by_name(self.inside("nginx", "\n".join(lines)))

    def handshakes(self, options):
        """{name: what openssl's client prints} for each server name."""
        lines = [
            'ask() { echo "=== $1"; openssl s_client -connect 127.0.0.1:443 -servername $1 -verify_hostname $1 %s </dev/null 2>&1; }'
            % options
        ]
        lines += ["ask %s" % name for name in self.names]
        return self._by_name(self.inside("nginx", "\n".join(lines)))

    @staticmethod
    def _by_name(text):
        parts = re.split(r"^=== (\S+)\n", text, flags=re.M)[1:]
        return dict(zip(parts[::2], parts[1::2]))

    @functools.cached_property
    def pages(self):
        """{name: headers of / and of /health, lower case}."""
        first, second = self.curl("-o /dev/null -D -"), self.curl("-o /dev/null -D -", path="/health")
        return {name: (first[name].lower(), second[name].lower()) for name in self.names}

    def without(self, header):
        return {
            name
            for name, pages in self.pages.items()
            if any(not re.search(r"^%s:" % header, page, re.M) for page in pages)
        }


# -- containers ---------------------------------------------------------------------------------------------------------------------


@told("INFRA-33", 28)
def keeps_capabilities(stack):
    return stack.services(lambda item: "ALL" not in (item["HostConfig"]["CapDrop"] or ()))


@told("INFRA-34", 28)
def may_gain_privileges(stack):
    return stack.services(
        lambda item: not any("no-new-privileges" in option for option in item["HostConfig"]["SecurityOpt"] or ())
    )


@told("INFRA-35", 28)
def writes_its_root(stack):
    return stack.services(lambda item: not item["HostConfig"]["ReadonlyRootfs"])


@told("INFRA-36", 28)
def has_no_limits(stack):
    return stack.services(
        lambda item: not all(item["HostConfig"][limit] for limit in ("Memory", "NanoCpus", "PidsLimit"))
    )


@told("INFRA-31", 11)
def works_as_root(stack):
    root = stack.services(lambda item: item["Config"]["User"].split(":")[0] in ("", "0", "root"))
    # Some start as root and let others work.
    return {
        service
        for service in root
        if not re.search(
            r"^\s*\d+\s+[1-9]",
            stack.sh("docker top %s -eo pid,uid 2>/dev/null | tail -n +2" % stack.name(service)),
            re.M,
        )
    }


@told("INFRA-32", 2)
def shares_the_host(stack):
    return stack.services(
        lambda item: (
            item["HostConfig"]["Privileged"]
            or item["HostConfig"]["PidMode"] == "host"
            or item["HostConfig"]["NetworkMode"] == "host"
        )
    )


@told("INFRA-23", 1)
def is_unconfined(stack):
    return {stack.name(service) for service in stack.services(lambda item: item["HostConfig"]["Privileged"])}


@told("INFRA-37", 3)
def mounts_the_host(stack):
    return stack.services(
        lambda item: any(
            mount["Source"] in ("/", "/var/run/docker.sock", "/run/docker.sock") for mount in item["Mounts"]
        )
    )


@told("INFRA-38", 20)
def has_a_moving_tag(stack):
    # What compose builds itself has no tag that anybody could move.
    exact = re.compile(r"postgres:\d+\.\d+|:v?\d+\.\d+\.\d+[\w.-]*$|:RELEASE\.|@sha256:|^[^:/]+$")
    return stack.services(lambda item: not exact.search(item["Config"]["Image"]))


@told("INFRA-39", 0)
def is_not_what_its_files_say(stack):
    files = "--project-name $(sed -n 's/^PROJECT_NAME=//p' .env.runtime | tail -n 1) --env-file .env.runtime"
    listed = stack.sh("cd /var/www/nself && docker compose --profile '*' %s config --hash '*'" % files)
    hashes = dict(line.split() for line in listed.splitlines())
    assert set(stack.containers) <= set(hashes)
    stale = stack.services(
        lambda item: (
            item["Config"]["Labels"]["com.docker.compose.config-hash"]
            != hashes[item["Config"]["Labels"]["com.docker.compose.service"]]
        )
    )
    return {stack.name(service) for service in stale}


@told("INFRA-41", 2)
def alerts_nobody(stack):
    alerts, rules = (
        stack.sh("cat /var/www/nself/monitoring/%s" % path)
        for path in ("alertmanager/alertmanager.yml", "prometheus/prometheus.yml")
    )
    found = set() if re.search(r"_configs:", alerts) else {"alertmanager"}
    return found | (set() if "rule_files:" in rules else {"prometheus"})


@told("NET-26", 0)
def answers_outside(stack):
    return {port for port in (2375, 2376, 3000, 4000, 5432, 6379, 8080, 9000, 9001, 9090) if stack.lab.answers_on(port)}


@told("NET-25", 0)
def is_published_to_all(stack):
    public = {"443/tcp", "80/tcp"}
    return stack.services(
        lambda item: any(
            not entry["HostIp"].startswith("127.")
            for port, entries in (item["NetworkSettings"]["Ports"] or {}).items()
            if port not in public
            for entry in entries or ()
        )
    )


# -- Hasura and its authentication ----------------------------------------------------------------------------------------------------


@told("AUTH-01", 2)
def has_a_console(stack):
    name = stack.named("api")
    found = {name} if "window.__env" in stack.curl("", [name], "/console")[name] else set()
    return found | ({"hasura"} if stack.environment("hasura")["HASURA_GRAPHQL_ENABLE_CONSOLE"] == "true" else set())


@told("AUTH-04", 1)
def has_a_short_admin_secret(stack):
    return {"hasura"} if len(stack.environment("hasura")["HASURA_GRAPHQL_ADMIN_SECRET"]) < 32 else set()


@told("AUTH-08", 2)
def has_an_admin_panel(stack):
    found = {"nself-admin"} & set(stack.containers)
    names = [name for name in stack.names if name.startswith("admin.")]
    return found | {
        name for name, said in stack.curl("-o /dev/null -w '%{http_code}'", names).items() if said.startswith("200")
    }


@told("AUTH-10", 2)
def catches_mail(stack):
    found = {"mailpit"} & set(stack.containers)
    return found | ({"auth"} if stack.environment("auth")["AUTH_SMTP_HOST"] == "mailpit" else set())


@told("AUTH-12", 0)
def has_two_signing_keys(stack):
    keys = {
        json.dumps(json.loads(stack.environment(service)["HASURA_GRAPHQL_JWT_SECRET"]), sort_keys=True)
        for service in ("hasura", "auth")
    }
    return set() if len(keys) == 1 else {"hasura", "auth"}


def auth_service(wrong):
    def read(stack):
        return {"auth"} if wrong(stack.environment("auth")) else set()

    return read


told("AUTH-16", 0)(auth_service(lambda env: int(env["AUTH_ACCESS_TOKEN_EXPIRES_IN"]) > 900))
told("AUTH-17", 1)(auth_service(lambda env: int(env["AUTH_REFRESH_TOKEN_EXPIRES_IN"]) > 604800))
told("AUTH-19", 1)(auth_service(lambda env: int(env.get("AUTH_PASSWORD_MIN_LENGTH", 3)) < 12))
told("AUTH-25", 1)(auth_service(lambda env: env.get("AUTH_RATE_LIMIT_ENABLE") != "true"))
told("AUTH-28", 1)(auth_service(lambda env: env.get("AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED") != "true"))


# -- what nginx serves ------------------------------------------------------------------------------------------------------------------


@told("NET-01", 0)
def speaks_no_tls(stack):
    return {
        name for name, said in stack.handshakes("").items() if "Cipher is (NONE)" in said or "Cipher is" not in said
    }


@told("NET-02", 0)
def serves_in_clear(stack):
    wanted = re.compile(r"(301|308) https://%s/")
    asked = stack.curl("-o /dev/null -w '%{http_code} %{redirect_url}'", scheme="http")
    return {name for name, said in asked.items() if not re.match(wanted.pattern % re.escape(name), said)}


@told("NET-03", 16)
def is_trusted_by_nobody(stack):
    return {name for name, said in stack.handshakes("").items() if "Verify return code: 0 (ok)" not in said}


@told("NET-07", 0)
def shows_its_key(stack):
    path = re.search(r"^\s*ssl_certificate_key\s+([^;]+);", stack.config, re.M).group(1)
    return {path} if stack.inside("nginx", "stat -Lc %%a %s" % path).strip() not in ("600", "400") else set()


@told("NET-08", 0)
def speaks_old_protocols(stack):
    old = stack.handshakes("-tls1_1 -cipher DEFAULT@SECLEVEL=0")
    new = stack.handshakes("-tls1_2")
    return {name for name in stack.names if "Cipher is (NONE)" not in old[name] or "Cipher is (NONE)" in new[name]}


@told("NET-09", 16)
def speaks_weak_ciphers(stack):
    return {
        name
        for name, said in stack.handshakes("-tls1_2 -cipher AES128-SHA").items()
        if re.search(r"Cipher is AES128-SHA\b", said)
    }


told("NET-11", 16)(lambda stack: stack.without("strict-transport-security"))
told("NET-12", 16)(lambda stack: stack.without("x-content-type-options"))
told("NET-13", 16)(lambda stack: stack.without("x-frame-options") & stack.without("content-security-policy"))
told("NET-14", 16, exact=False)(lambda stack: stack.without("content-security-policy"))
told("NET-16", 16)(lambda stack: stack.without("permissions-policy"))


def foreign(stack, service, path):
    """The service's name, where a page of a foreign origin may read its answers."""
    name = stack.named(service)
    said = stack.curl("-o /dev/null -D - -H 'Origin: https://foreign.test'", [name], path)[name].lower()
    return (
        {name}
        if "access-control-allow-origin: https://foreign.test" in said or "access-control-allow-origin: *" in said
        else set()
    )


told("NET-20", 0)(lambda stack: foreign(stack, "api", "/v1/graphql"))
told("NET-21", 1)(lambda stack: foreign(stack, "auth", "/healthz"))


@told("NET-23", 0, exact=False)
def is_not_limited(stack):
    return {first for first in ("api", "auth") if stack.named(first) not in limited(stack)}


def limited(stack):
    """Server names with a limit of their own on requests."""
    blocks = re.split(r"^server \{", stack.config, flags=re.M)[1:]
    return {
        re.search(r"server_name ([^;]+);", block).group(1)
        for block in blocks
        if re.search(r"^\s*limit_req zone", block, re.M)
    }


@told("NET-28", 3)
def opens_a_console(stack):
    consoles = [
        name
        for name in stack.names
        if name.split(".")[0] in ("prometheus", "alertmanager", "mail", "grafana", "storage-console")
    ]
    asked = stack.curl("-L -w '\\n%{http_code} %{url_effective}'", consoles)
    return {name for name, said in asked.items() if re.search(r"^200 ", said, re.M) and "login" not in said}


# -- data -------------------------------------------------------------------------------------------------------------------------------


def database_urls(stack, wrong):
    """Services with a PostgreSQL URL in their environment that satisfies wrong."""
    return {
        service
        for service in stack.containers
        if service != "postgres"
        and any(URL.match(value) and wrong(value) for value in stack.environment(service).values())
    }


@told("DATA-05", 11)
def logs_in_as_superuser(stack):
    query = "SELECT a.pid FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename WHERE r.rolsuper AND a.client_addr IS NOT NULL"
    return ({"sessions"} if stack.sql(query) else set()) | database_urls(
        stack, lambda url: URL.match(url).group(1) == "postgres"
    )


@told("DATA-06", 1)
def has_no_database_tls(stack):
    return {"ssl"} if stack.sql("SHOW ssl") != ["on"] else set()


@told("DATA-07", 12)
def speaks_to_the_database_in_clear(stack):
    found = database_urls(stack, lambda url: not re.search(r"sslmode=(require|verify)", url))
    if stack.sql(
        "SELECT a.pid FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) WHERE a.client_addr IS NOT NULL AND NOT s.ssl"
    ):
        found.add("sessions")
    # Loopback inside the container is nobody's network.
    if stack.sql(
        "SELECT 1 FROM pg_hba_file_rules WHERE type IN ('host', 'hostnossl') AND coalesce(address, '') NOT IN ('127.0.0.1', '::1')"
    ):
        found.add("pg_hba")
    return found


told("DATA-08", 1)(lambda stack: {"server"} if stack.sql("SHOW log_connections") != ["on"] else set())
told("DATA-09", 1)(lambda stack: {"server"} if stack.sql("SHOW log_disconnections") != ["on"] else set())


@told("DATA-20", 1)
def has_no_new_backup(stack):
    return set() if stack.sh("find /var/www/nself/backups -type f -mtime -1 -size +0").strip() else {"backups"}


@told("DATA-27", 5)
def gives_objects_away(stack):
    names = [name for name in stack.environment("minio")["MINIO_DEFAULT_BUCKETS"].split(",")]
    asked = stack.inside(
        "minio",
        "for name in %s; do echo $name $(curl -s -o /dev/null -w '%%{http_code}' http://127.0.0.1:9000/$name/); done"
        % " ".join(names),
    )
    return {line.split()[0] for line in asked.splitlines() if line.split()[1] == "200"}


@told("DATA-28", 0)
def lets_anybody_into_redis(stack):
    return {"redis"} if "NOAUTH" not in stack.inside("redis", "redis-cli ping") else set()


@told("DATA-29", 7)
def has_open_files(stack):
    listed = stack.sh("cd /var/www/nself && stat -c '%a %n' .env* docker-compose.yml").splitlines()
    return {"/var/www/nself/" + line.split()[1] for line in listed if line.split()[0] not in ("600", "400")}


@told("DATA-30", 3)
def shows_secrets_on_a_command_line(stack):
    secrets = {
        value
        for service in stack.containers
        for key, value in stack.environment(service).items()
        # What is as short as a number or `true` is no secret, whatever its name.
        if SECRET.search(key) and len(value) > 5
    }
    secrets |= {
        re.search(r"://[^:]*:([^@]+)@", value).group(1)
        for value in stack.environment("redis-exporter").values()
        if "@" in value
    }
    return stack.services(lambda item: any(secret in " ".join([item["Path"], *item["Args"]]) for secret in secrets))


@told("DATA-31", 15)
def has_a_demo_secret(stack):
    return {
        service
        for service in stack.containers
        if any(
            re.search(r"\bdemo-(\w+-)*(secret|key|password)|minioadmin", value)
            for value in stack.environment(service).values()
        )
    }


@told("INFRA-40", 1)
def declares_what_is_not_in_force(stack):
    declared = stack.sh("cat /var/www/nself/.env /var/www/nself/.env.dev 2>/dev/null")
    found = set()
    if "HASURA_GRAPHQL_DEV_MODE=true" in declared and stack.environment("hasura")["HASURA_GRAPHQL_DEV_MODE"] == "false":
        found.add("HASURA_GRAPHQL_DEV_MODE")
    # Nothing reads that name; what it says may be in force by the name that is read.
    said = re.search(r"^AUTH_EMAIL_VERIFICATION_REQUIRED=(\w+)", declared, re.M)
    if said and said.group(1) != stack.environment("auth").get("AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED"):
        found.add("AUTH_EMAIL_VERIFICATION_REQUIRED")
    return found
