# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login role of the applications that is no superuser: which services get it, what it may do, and the way back. Pure functions.

Hasura and hasura-auth make and change tables of their own, so those schemas are the role's; everywhere else it reads and writes what the
superuser made. https://hasura.io/docs/latest/deployment/postgres-requirements/
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import raw as raw_service
from ansible_collections.nself.prod.plugins.module_utils.change.stack import shared
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import DatabaseUrl, literal
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import Database, Step
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import array, quoted, string
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_state as sql

SETTING = "NSELF_APP_PASSWORD"
REFERENCE = "${%s}" % SETTING
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")  # so that it can stand in a URL as it is
PASSWORD = re.compile(r"[A-Za-z0-9]{32,128}\Z")
# As whom to log in, and with what, for programs that read no URL. libpq's own names and the image's.
USERS, PASSWORDS = ("PGUSER", "POSTGRES_USER", "DB_USER"), ("PGPASSWORD", "POSTGRES_PASSWORD", "DB_PASSWORD")
# Attributes that it must not have, by the keys of the section `roles`.
LACKS = (
    ("super", "NOSUPERUSER"),
    ("createrole", "NOCREATEROLE"),
    ("createdb", "NOCREATEDB"),
    ("replication", "NOREPLICATION"),
    ("bypassrls", "NOBYPASSRLS"),
)
TABLE_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE, REFERENCES"
# Its statistics are what the exporter is for.
EXPORTERS = ("postgres-exporter", "postgres_exporter")
MONITOR = "pg_monitor"


class Wish(NamedTuple):
    """What is wanted of the role. owned: schemas that are to be its own."""

    name: str
    owned: Tuple[str, ...]
    monitor: bool = False


class Switch(NamedTuple):
    """What is changed of the services' settings."""

    urls: List[DatabaseUrl]
    environment: Dict[str, Dict[str, str]]
    left: List[str]

    @property
    def services(self) -> List[str]:
        return sorted({url.service for url in self.urls} | set(self.environment))


def check_name(name: str, state: Mapping[str, Any]) -> None:
    """Raise Refused where a role of this name cannot be the applications'."""
    if not NAME.match(name) or name.startswith("pg_"):
        raise Refused("postgres_audit_app_role: %r will not do; lower-case letters, digits and _, as nself_app" % name)
    known = state["roles"].get(name)
    if name == state["server"]["user"] or (known and known["oid"] == 10):
        raise Refused("postgres_audit_app_role: %s is the superuser itself; name another, as nself_app" % name)


def of_url(text: str) -> Optional[Tuple[str, str, str]]:
    """Return (user, host, database) of a PostgreSQL URL, None for any other text."""
    if not re.match(r"postgres(ql)?(\+\w+)?://", text):
        return None
    try:
        parts = urlsplit(text)
        return unquote(parts.username or ""), (parts.hostname or "").lower(), unquote(parts.path.lstrip("/"))
    except ValueError:
        return None


def switch(
    services: Mapping[str, Mapping[str, Any]],
    raw: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    superusers: Sequence[str],
    database: str,
    name: str,
    only: Sequence[str],
) -> Switch:
    """Return which settings of which services are to name the role.

    services, raw: the compose model, filled in and not; hosts: what the server is called; only: services, all where it is empty.
    """
    urls: List[DatabaseUrl] = []
    environment: Dict[str, Dict[str, str]] = {}
    left: List[str] = []
    unknown = [service for service in only if service not in services]
    if unknown:
        raise Refused(
            "postgres_audit_app_services names %s, which is no service of the deployment" % ", ".join(unknown)
        )
    for service in sorted(services):
        given = {
            key: str(value) for key, value in (services[service].get("environment") or {}).items() if value is not None
        }
        mine = {key: of_url(value) for key, value in given.items()}
        told = {key: url for key, url in mine.items() if url and url[1] in hosts and url[0] in superusers}
        here = sorted(key for key, url in told.items() if url[2] == database)
        elsewhere = sorted({url[2] for url in told.values() if url[2] != database})
        named = [key for key in USERS if given.get(key) in superusers]
        if not told and not (named and _host(given) in hosts):
            continue
        if only and service not in only:
            left.append(
                "%s keeps logging in as a superuser, since postgres_audit_app_services does not name it" % service
            )
            continue
        if elsewhere:
            left.append(
                "%s logs in to the database %s as a superuser: make a role of its own for it, this one is for %s only"
                % (service, ", ".join(elsewhere), database)
            )
            if not here:
                continue
        changes = {key: name for key in named}
        for key in here:
            edit = DatabaseUrl(service, key, user=name, password=REFERENCE)
            if shared.url(raw_service.environment(raw.get(service) or {}).get(key, ""), edit) is None:
                # It comes as a whole from an env file, so it is written out here, but for the password.
                changes[key] = shared.url(literal(given[key]), edit)
            else:
                urls.append(edit)
        if named:
            changes.update({key: REFERENCE for key in PASSWORDS if key in given})
        if changes:
            environment[service] = changes
    return Switch(urls, environment, left)


# Whose sessions over the network are those of superusers.
SUPERUSERS_SESSIONS = (
    "SELECT coalesce(json_agg(DISTINCT host(a.client_addr)), '[]') FROM pg_stat_activity a "
    "JOIN pg_roles r ON r.rolname = a.usename WHERE r.rolsuper AND a.client_addr IS NOT NULL"
)


def as_superuser(database: Database) -> List[str]:
    """Return the services that have a session as a superuser now."""
    stack, addresses = database.stack, {}
    for service in stack.services:
        if stack.running(service):
            try:
                addresses[stack.address(service)] = service
            except ChangeError:
                continue  # without a network of its own it has no session over one
    found = database.ask({"sessions": SUPERUSERS_SESSIONS})["sessions"]
    return sorted(addresses[address] for address in found if address in addresses)


def still_used(services: Mapping[str, Mapping[str, Any]], name: str) -> List[str]:
    """Return the services that are told to log in as the role by the project's own files."""
    return sorted(
        service
        for service, item in services.items()
        if any(
            (of_url(str(value)) or ("",))[0] == name or (key in USERS and value == name)
            for key, value in (item.get("environment") or {}).items()
        )
    )


def locked_out(
    services: Mapping[str, Mapping[str, Any]],
    raw: Mapping[str, Mapping[str, Any]],
    hosts: Sequence[str],
    name: str,
    password: str,
) -> List[str]:
    """Return the services that log in as the role by the project's own files, with another password than it is to have."""
    out = []
    for service, item in sorted(services.items()):
        written = raw_service.environment(raw.get(service) or {})
        given = {
            key: str(value)
            for key, value in (item.get("environment") or {}).items()
            # What refers to the setting follows it.
            if value is not None and SETTING not in str(written.get(key))
        }
        told = []
        for value in given.values():
            url = of_url(value)
            if url and url[0] == name and url[1] in hosts:
                told.append(unquote(urlsplit(value).password or ""))
        if any(given.get(key) == name for key in USERS) and _host(given) in hosts:
            told += [given[key] for key in PASSWORDS if key in given]
        if any(text != password for text in told):
            out.append(service)
    return out


def _host(given: Mapping[str, str]) -> Optional[str]:
    return given.get("PGHOST", given.get("POSTGRES_HOST", given.get("DB_HOST")))


# -- what it may do ---------------------------------------------------------------------------------------------------


def sections(wish: Wish, there: bool) -> Dict[str, str]:
    """Return what is to be asked about the role. there: whether it exists; the superuser stands for one that does not."""
    app = string(wish.name) if there else "current_user"
    asked = {name: text.replace("$app", app) for name, text in sql.APP_SECTIONS.items()} if there else {}
    asked["foreign_objects"] = sql.FOREIGN_OBJECTS.replace("$schemas", array(list(wish.owned), "name")).replace(
        "$app", app if there else "''"
    )
    return asked


def steps(state: Mapping[str, Any], wish: Wish, verifier: str) -> List[Step]:
    """Return what is missing. verifier: of the password that it is to have; "" where it has that already."""
    role, name = state["roles"].get(wish.name), quoted(wish.name)
    superuser = quoted(state["server"]["user"])
    out: List[Step] = []
    if role is None:
        out.append(
            Step(
                "role %s is made: it logs in and is no superuser" % wish.name,
                "CREATE ROLE %s LOGIN %s PASSWORD %s;"
                % (name, " ".join(words for _key, words in LACKS), string(verifier)),
                away(wish.name, superuser),
                True,
            )
        )
        role = {}
    else:
        wrong = [words for key, words in LACKS if role[key]] + ([] if role["login"] else ["LOGIN"])
        if wrong:
            out.append(
                Step("role %s becomes %s" % (wish.name, ", ".join(wrong)), "ALTER ROLE %s %s;" % (name, " ".join(wrong)),
                     "ALTER ROLE %s %s;" % (name, " ".join(word[2:] if word.startswith("NO") else "NO" + word for word in wrong)))
            )  # fmt: skip
        if verifier:
            old = state["verifiers"].get(wish.name)
            alter = "ALTER ROLE %s PASSWORD %%s;" % name
            out.append(
                Step(
                    "role %s gets the password of %s" % (wish.name, SETTING),
                    alter % string(verifier),
                    alter % (string(old) if old else "NULL"),
                    True,
                )
            )
    out += _database(state, name, wish)
    for schema in sorted(state["schemas"]):
        if schema != "nself_audit":
            out += _schema(state, schema, wish, superuser)
    out += _owned(state, wish)
    return out


def _database(state: Mapping[str, Any], name: str, wish: Wish) -> List[Step]:
    missing = state.get("app_database", {"missing": ["CONNECT", "CREATE", "TEMPORARY"]})["missing"]
    out = []
    if missing:
        words = "%s ON DATABASE %s" % (", ".join(missing), quoted(state["server"]["database"]))
        out.append(Step("%s may connect to the database, and make schemas and trusted extensions in it" % wish.name,
                        "GRANT %s TO %s;" % (words, name), "REVOKE %s FROM %s;" % (words, name)))  # fmt: skip
    member = [item["role"] for item in (state["roles"].get(wish.name) or {}).get("member", ())]
    if wish.monitor and MONITOR not in member:
        out.append(
            Step(
                "%s may read the server's statistics, for the exporter" % wish.name,
                "GRANT %s TO %s;" % (MONITOR, name),
                "REVOKE %s FROM %s;" % (MONITOR, name),
            )
        )
    return out


def _schema(state: Mapping[str, Any], schema: str, wish: Wish, superuser: str) -> List[Step]:
    """Return what the role lacks in one schema. The audit log is never in it."""
    nothing = {
        "usage": False,
        "create": False,
        "tables": 1,
        "sequences": 1,
        "functions": 0,
        "events": 0,
        "defaults": 0,
        "owner": None,
    }
    have = dict(nothing, **(state.get("app_schemas") or {}).get(schema, {}))
    name, inside, out = quoted(wish.name), quoted(schema), []
    if state["schemas"][schema]["owner"] == "nself_audit":
        return []
    mine = schema in wish.owned
    if mine and have["owner"] != wish.name:
        old = state["schemas"][schema]["owner"]
        out.append(
            Step(
                "schema %s is given to %s" % (schema, wish.name),
                "ALTER SCHEMA %s OWNER TO %s;" % (inside, name),
                "ALTER SCHEMA %s OWNER TO %s;" % (inside, quoted(old)),
            )
        )
        have["usage"] = have["create"] = True
    if not (have["usage"] and (have["create"] or schema != "public")):
        words = "USAGE, CREATE" if schema == "public" else "USAGE"
        out.append(
            Step("%s may use schema %s" % (wish.name, schema), "GRANT %s ON SCHEMA %s TO %s;" % (words, inside, name))
        )
    if have["tables"] or have["sequences"] or have["functions"] or have["events"]:
        text = _GIVE % {"schema": string(schema), "role": string(wish.name), "privileges": TABLE_PRIVILEGES}
        out.append(
            Step(
                "%s may read and write what is in schema %s, apart from an audit log" % (wish.name, schema),
                "DO $nself$%s$nself$;" % text,
            )
        )
    if have["defaults"] < 2:
        words = "ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %s GRANT %%s TO %s;" % (superuser, inside, name)
        out.append(
            Step(
                "%s may read and write what the superuser makes in schema %s from now on" % (wish.name, schema),
                words % (TABLE_PRIVILEGES + " ON TABLES") + words % "USAGE, SELECT ON SEQUENCES",
            )
        )
    return out


# Names are quoted by the server itself, and those of extensions are left out.
_GIVE = """
DECLARE item record;
BEGIN
    FOR item IN
        SELECT CASE WHEN c.relkind = 'S' THEN 'USAGE, SELECT ON SEQUENCE ' ELSE '%(privileges)s ON ' END || c.oid::regclass::text AS what
        FROM pg_class c WHERE c.relnamespace = quote_ident(%(schema)s)::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        AND c.relname <> 'audit_logs'
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND (d.deptype = 'e'
            OR c.relkind = 'S' AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            AND EXISTS (SELECT FROM pg_class o WHERE o.oid = d.refobjid AND o.relname = 'audit_logs')))
        UNION ALL SELECT 'TRIGGER ON ' || c.oid::regclass::text FROM pg_class c
        WHERE c.relnamespace = quote_ident(%(schema)s)::regnamespace AND c.relkind IN ('r', 'p')
        AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname LIKE 'notify\\_hasura\\_%%')
        UNION ALL SELECT 'EXECUTE ON ROUTINE ' || p.oid::regprocedure::text FROM pg_proc p
        WHERE p.pronamespace = quote_ident(%(schema)s)::regnamespace AND NOT has_function_privilege(%(role)s, p.oid, 'EXECUTE')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE 'GRANT ' || item.what || ' TO ' || quote_ident(%(role)s);
    END LOOP;
END
"""


def _owned(state: Mapping[str, Any], wish: Wish) -> List[Step]:
    name, items = quoted(wish.name), state["foreign_objects"]
    if not items:
        return []
    give = "".join("ALTER %s %s OWNER TO %s;\n" % (item["kind"].upper(), item["name"], name) for item in items)
    back = "".join(
        "ALTER %s %s OWNER TO %s;\n" % (item["kind"].upper(), item["name"], quoted(item["owner"])) for item in items
    )
    return [
        Step(
            "%s owns the %d things in %s, which its programs change themselves"
            % (wish.name, len(items), ", ".join(sorted(wish.owned))),
            give,
            back,
        )
    ]


def away(name: str, superuser: str) -> str:
    """Return what removes a role. superuser: quoted; gets what it owns."""
    role = quoted(name)
    return "REASSIGN OWNED BY {0} TO {1}; DROP OWNED BY {0}; DROP ROLE {0};".format(role, superuser)


def removal(state: Mapping[str, Any], name: str) -> List[Step]:
    """Return the way back, for when no service logs in as the role any more."""
    if name not in state["roles"]:
        return []
    return [
        Step(
            "role %s goes; what it owned is %s's" % (name, state["server"]["user"]),
            away(name, quoted(state["server"]["user"])),
        )
    ]
