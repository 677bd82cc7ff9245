# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the role postgres_audit: an audit log, row-level security, and a login role for the applications that is no superuser."""

from __future__ import annotations

import json
import secrets
import time
from typing import Any, Dict, List, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import pg_app_role, pg_hygiene, pg_log, pg_rls
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_database import Database, Step
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_log_functions import Log
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_names import Table, name_in, string, table_of
from ansible_collections.nself.prod.plugins.module_utils.change.stack.pg_purge import Purge
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_log as log_sql
from ansible_collections.nself.prod.plugins.module_utils.change.tables import postgres_audit_state as state_sql
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_audit_options import SPEC
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier

SHORTEST_DAYS = 90  # for which a log is kept: most break-ins are found after months
SCRAM = "scram-sha-256"


class PostgresAudit(Part):
    """See Part. The database is read anew by plan() and settle(), so that each takes only the steps that are missing."""

    name = "postgres_audit"
    SPEC = SPEC
    SECRETS = (pg_app_role.SETTING,)

    database: Optional[Database] = None

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        plan = Plan()
        self._done: List[Step] = []
        self._noted: List[str] = []
        self._switch = pg_app_role.Switch([], {}, [])
        service = self._service()
        if not service:
            plan.left.append(
                "the deployment has no PostgreSQL of its own in a container: one of the distribution is not touched by postgres_audit"
            )
            return plan
        self.database = Database(self.stack, service)
        self._read_options()
        state = self._state()
        if not state["server"]["superuser"]:
            raise Refused(
                "POSTGRES_USER (%s) is no superuser, so it cannot set up roles and an audit log"
                % state["server"]["user"]
            )
        self.purge = Purge(self.stack.host, self.stack.project, service, bool(self.log and self.log.days))
        self._plan_role(plan, state)
        self._plan_server(plan, state)
        # Refusals come before anything is changed.
        self._settling(state, plan.left)
        return plan

    def _service(self) -> str:
        found = self.stack.of("postgres")
        running = [name for name in found if self.stack.running(name)]
        if not found:
            return ""
        chosen = "postgres" if "postgres" in running else running[0] if len(running) == 1 else ""
        if not chosen:
            raise Refused(
                "%s of the PostgreSQL services %s run, so it is not known which one to set up; start the deployment's own"
                % (len(running) or "none", ", ".join(found))
            )
        return chosen

    def _read_options(self) -> None:
        given = self.options
        days = given["retention_days"]
        if days != 0 and not SHORTEST_DAYS <= days <= 36500:
            raise Refused(
                "postgres_audit_retention_days: %d; a log is kept %d days at least, and for ever with 0"
                % (days, SHORTEST_DAYS)
            )
        schema = name_in(given["schema"], "postgres_audit_schema")
        if schema.startswith("pg_") or schema in ("information_schema", "hdb_catalog", log_sql.SCHEMA):
            raise Refused("postgres_audit_schema: %s is no place for the audit log" % schema)
        tables = given["tables"]
        self.log: Optional[Log] = None
        if given["log"]:
            self.log = Log(
                Table(schema, log_sql.TABLE),
                None
                if tables is None
                else tuple(table_of(text, "postgres_audit_tables") for text in dict.fromkeys(tables)),
                tuple(given["hidden_columns"]),
                days,
                tuple(name_in(role, "postgres_audit_readers") for role in given["readers"]),
                tuple(name_in(role, "postgres_audit_writers") for role in given["writers"]),
            )
        self.app = given["app_role"]
        self.wanted = bool(self.app) and given["app_role_state"] == "present"
        self.rls = pg_rls.guarded_of(given["rls"], self.app if self.wanted else "")

    def _plan_role(self, plan: Plan, state: Mapping[str, Any]) -> None:
        """Work out which settings of the services change, and the role's password."""
        self.wish = pg_app_role.Wish(self.app, tuple(self.options["app_owned_schemas"]))
        self.password = ""
        if not self.app:
            return
        pg_app_role.check_name(self.app, state)
        if not self.wanted:
            used = pg_app_role.still_used(self.stack.services, self.app)
            if used:
                raise Refused(
                    "%s log in as %s by the project's own files; change these first" % (", ".join(used), self.app)
                )
            if any(self.app in item.roles for item in self.rls):
                raise Refused("postgres_audit_rls names %s, which is to go" % self.app)
            if pg_app_role.SETTING in self.stack.variables:
                plan.left.append("%s in the env files is not used any more and can be removed" % pg_app_role.SETTING)
            return
        superusers = [name for name, role in state["roles"].items() if role["super"]]
        services = {name: item for name, item in self.stack.services.items() if self.stack.role(name) != "postgres"}
        self._switch = pg_app_role.switch(
            services,
            self.stack.raw,
            self._hosts(),
            superusers,
            state["server"]["database"],
            self.app,
            self.options["app_services"],
        )
        exporters = [name for name in self._switch.services if name in pg_app_role.EXPORTERS]
        self.wish = self.wish._replace(monitor=bool(exporters))
        self.password = (
            self.secrets.get(pg_app_role.SETTING)
            or self.stack.variables.get(pg_app_role.SETTING)
            or secrets.token_hex(32)
        )
        if not pg_app_role.PASSWORD.match(self.password):
            raise Refused("%s has to be 32 to 128 letters and digits: it stands in URLs" % pg_app_role.SETTING)
        out = pg_app_role.locked_out(services, self.stack.raw, self._hosts(), self.app, self.password)
        if out:
            raise Refused(
                "%s log in as %s by the project's own files, with another password than %s: name a role of another name, as nself_app, "
                "or give that password as postgres_audit_app_password" % (", ".join(out), self.app, pg_app_role.SETTING)
            )
        plan.settings[pg_app_role.SETTING] = self.password
        plan.database_urls = self._switch.urls
        if self._switch.environment:
            plan.fragment = {
                "services": {name: {"environment": values} for name, values in self._switch.environment.items()}
            }
        plan.left += self._switch.left
        plan.left += [
            "%s logs in to PostgreSQL as a superuser, by a setting that is not known here: change it by hand" % name
            for name in pg_app_role.as_superuser(self._there())
            if name not in self._switch.services and not any(line.startswith(name + " ") for line in self._switch.left)
        ]
        ours = set(self.wish.owned) | {log_sql.SCHEMA}
        public = sorted(
            name for name, item in state["schemas"].items() if name not in ours and item["owner"] != self.app
        )
        plan.left.append(
            "tables in %s stay the superuser's: where Hasura's migrations or its console change them, add the schema to "
            "postgres_audit_app_owned_schemas" % ", ".join(public)
        )

    def _hosts(self) -> List[str]:
        """Return what other containers call the server."""
        service = self.database.service if self.database else ""
        item = self.stack.inspect(service) or {}
        names = [
            service,
            str(item.get("Name") or "").lstrip("/"),
            str((item.get("Config") or {}).get("Hostname") or ""),
        ]
        for network in ((item.get("NetworkSettings") or {}).get("Networks") or {}).values():
            names += network.get("Aliases") or []
        return [name.lower() for name in dict.fromkeys(names) if name]

    def _plan_server(self, plan: Plan, state: Mapping[str, Any]) -> None:
        server, settings = state["server"], {}
        if server["encryption"] != SCRAM:
            settings["password_encryption"] = SCRAM
        if self.options["pgaudit"] and server["pgaudit"] is None:
            plan.left.append(
                "the server's image has no pgaudit (the official alpine one has none), so what the log of the database says is all there is"
            )
        elif self.options["pgaudit"]:
            libraries = [name.strip(' "') for name in server["libraries"].split(",") if name.strip()]
            settings["shared_preload_libraries"] = ",".join(
                libraries + [name for name in ("pgaudit",) if name not in libraries]
            )
            settings["pgaudit.log"] = self.options["pgaudit_log"]
            # Values that a statement is given may be passwords.
            settings["pgaudit.log_parameter"] = "off"
        elif (server["pgaudit"] or {}).get("installed") and "pgaudit" not in server["libraries"]:
            plan.left.append(
                "the database has pgaudit, but the server does not load it, so everybody's statements that change a table or a right fail: "
                "set postgres_audit_pgaudit: true"
            )
        if settings and self.database:
            plan.postgres_settings = {self.database.service: settings}

    # -- what the database holds -------------------------------------------------------------------------------------

    def _state(self) -> Dict[str, Any]:
        """Read everything that the steps are worked out from."""
        database = self._there()
        sections = dict(state_sql.SECTIONS)
        named = [item.table for item in self.rls]
        if self.log:
            named += [self.log.table] + list(
                self.log.tables or [Table(*name.split(".")) for name in log_sql.DEFAULT_TABLES]
            )
        asked = {name: sections[name] for name in ("recorded", "roles")}
        if self.app and not self.wanted:
            asked["policies"] = state_sql.APP_POLICIES.replace("$app", string(self.app))
        first = database.ask(asked)
        self._policies = [Table(*pair) for pair in first.get("policies", ())]
        named += [Table(*pair) for pair in first["recorded"]] + self._policies
        sections["tables"] = sections["tables"].replace("$tables", string(_json(named)))
        if self.app and self.wanted:
            wish = pg_app_role.Wish(self.app, tuple(self.options["app_owned_schemas"]))
            sections.update(pg_app_role.sections(wish, self.app in first["roles"]))
        return database.ask(sections)

    def _there(self) -> Database:
        if self.database is None:
            raise ChangeError("there is no PostgreSQL to set up")
        return self.database

    def _role_steps(self, state: Mapping[str, Any]) -> List[Step]:
        if not self.wanted:
            return []
        old = str((state["verifiers"] or {}).get(self.app) or "")
        fits = pg_verifier.method_of(old) == pg_verifier.SCRAM and pg_verifier.fits(old, self.app, self.password)
        return pg_app_role.steps(state, self.wish, "" if fits else pg_verifier.scram(self.password))

    def _settling(self, state: Mapping[str, Any], left: List[str]) -> List[Step]:
        """Return all steps but those for the applications' role. left: gets what is to be told."""
        steps: List[Step] = []
        server = state["server"]
        if self.log:
            steps += pg_log.steps(state, self.log)
            left += pg_log.told(state, self.log, not self.wanted)
        steps += pg_rls.steps(state, self.rls, self.app if self.wanted else "")
        if self.options["pgaudit"] and server["pgaudit"] and not server["pgaudit"]["installed"]:
            steps.append(
                Step(
                    "extension pgaudit is made in %s" % server["database"],
                    "CREATE EXTENSION pgaudit SCHEMA pg_catalog;",
                    "DROP EXTENSION pgaudit;",
                )
            )
        if self.options["revoke_public_create"]:
            steps += pg_hygiene.public_create(state)
        for found in (
            pg_hygiene.definers(state, self.options["mend_definers"]),
            pg_hygiene.privileged(state, self.options["privileged_roles"], self._users(), [self.app, log_sql.OWNER]),
            pg_hygiene.verifiers(state, self._passwords(server)),
        ):
            steps += found[0]
            left += found[1]
        return steps

    def _users(self) -> List[str]:
        """Return the roles that services log in as, by their settings as they will be."""
        changed = {(url.service, url.name) for url in self._switch.urls}
        changed |= {(service, name) for service, values in self._switch.environment.items() for name in values}
        out = []
        for service, item in self.stack.services.items():
            for name, value in (item.get("environment") or {}).items():
                if (service, name) not in changed:
                    url = pg_app_role.of_url(str(value))
                    out += [url[0]] if url else [str(value)] if name in pg_app_role.USERS else []
        return out

    def _passwords(self, server: Mapping[str, Any]) -> Dict[str, str]:
        given = self.stack.environment(self._there().service)
        return {server["user"]: given.get("POSTGRES_PASSWORD") or ""}

    # -- doing it ----------------------------------------------------------------------------------------------------

    def _take(self, changes: Changes, steps: List[Step]) -> None:
        for step in steps:
            if step.what not in self._noted and not step.trial:
                self._noted.append(step.what)
                changes.note("PostgreSQL: " + step.what)
        if steps and not changes.check:
            self._there().run(steps)
            self._done += steps

    def prepare(self, changes: Changes) -> None:
        """Make the role while the services still log in as they did: from here on both ways work."""
        if self.database is None or not self.wanted:
            return
        self._take(changes, self._role_steps(self._state()))
        if not changes.check:
            self._log_in()

    def _log_in(self, statements: str = "SELECT 1;") -> None:
        wrong = self._there().login(
            self.app, self.password, self.stack.variables.get("POSTGRES_DB") or self._database(), statements
        )
        if wrong:
            raise Mismatch("%s cannot use the database over the network: %s" % (self.app, wrong))

    def _database(self) -> str:
        given = self.stack.environment(self._there().service)
        return given.get("POSTGRES_DB") or given.get("POSTGRES_USER") or "postgres"

    def settle(self, changes: Changes) -> None:
        if self.database is None:
            return
        state = self._state()
        # What the role lacks where the files had nothing to change, and so nothing was prepared.
        self._take(changes, self._role_steps(state) + self._settling(state, []))
        self.purge.settle(changes)

    def verify(self) -> None:
        if self.database is None:
            return
        state = self._state()
        missing = self._role_steps(state) + self._settling(state, [])
        if missing:
            raise Mismatch("PostgreSQL does not hold what it was told: " + missing[0].what)
        if self.log:
            self._records(self.log)
        for text in self.purge.problems():
            raise Mismatch(text)
        if self.wanted:
            tables = [item.table.sql for item in self.rls if self.app in item.roles]
            self._log_in(
                "SELECT 1;"
                + "".join("SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 1) AS x;" % table for table in tables)
            )
            self._no_superuser()

    def _records(self, log: Log) -> None:
        """Have a trigger write an entry, and try to change it."""
        try:
            self._there().run([pg_log.probe(log)])
        except ChangeError as error:
            if log_sql.SEEN in str(error):
                return
            raise Mismatch("%s does not do what it is for: %s" % (log.table, error)) from None
        raise Mismatch("%s: the probe of it ended in nothing" % log.table)

    def _no_superuser(self) -> None:
        """Look for sessions of superusers from the services that were switched. Those of containers that are gone end at once."""
        found: List[str] = []
        for _attempt in range(10):
            found = [name for name in pg_app_role.as_superuser(self._there()) if name in self._switch.services]
            if not found:
                return
            time.sleep(1)
        raise Mismatch("%s still logs in as a superuser, by a setting that is not among its URLs" % ", ".join(found))

    def finish(self, changes: Changes) -> None:
        """Remove the role that no service logs in as any more: as long as the old settings can come back, it has to be there."""
        if self.database is None or not self.app or self.wanted:
            return
        state = self._state()
        self._take(changes, pg_rls.away(state, self._policies, self.app) + pg_app_role.removal(state, self.app))

    def revert(self) -> None:
        if self.database is None:
            return
        self.purge.revert()
        done, self._done = self._done, []
        self._there().undo(done)


def _json(tables: List[Table]) -> str:
    """Return tables as the text of JSON that the state's query takes."""
    return json.dumps([[table.schema, table.name] for table in dict.fromkeys(tables)])
