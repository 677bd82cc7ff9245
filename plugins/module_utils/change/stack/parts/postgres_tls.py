# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role postgres_tls: nobody comes to PostgreSQL over a network in clear, and who comes is written down."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change import certificates, postgres_hba
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import (
    pg_names,
    postgres_clients,
    postgres_elsewhere,
    postgres_proof,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import File, Part, Plan
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_certificate import Given, given
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_certificate import own as own_certificate
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_server import Server
from ansible_collections.nself.prod.plugins.module_utils.change.tables.postgres_clients import MODES
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier

FOLDER = ".nself-prod/postgres"
SERVER_FOLDER = FOLDER + "/server"  # what the server sees
AUTHORITY_FOLDER = FOLDER + "/ca"  # what only root sees
AUTHORITY = FOLDER + "/ca.crt"  # what the clients see
INSIDE = "/etc/nself-prod/postgres"
INSIDE_CLIENTS = "/etc/nself-prod/postgres-ca.crt"
LOG_LINE_PREFIX = "%m [%p] user=%u,db=%d,client=%h "
RESERVED = 5  # sessions that are kept for who has to look at a full server


class PostgresTls(Part):
    """See the role's README."""

    name = "postgres_tls"
    SPEC = {
        "enabled": {"type": "bool", "default": True},
        "required": {"type": "bool", "default": True},
        "min_protocol": {"type": "str", "default": "TLSv1.2", "choices": ["TLSv1.2", "TLSv1.3"]},
        "client_mode": {"type": "str", "default": "require", "choices": list(MODES)},
        "allowed_hosts": {"type": "list", "elements": "str", "default": []},
        "hba_rules": {"type": "list", "elements": "str", "default": []},
        "keep_rules": {"type": "bool", "default": True},
        "certificate": {"type": "str", "default": ""},
        "ca": {"type": "str", "default": ""},
        "names": {"type": "list", "elements": "str", "default": []},
        "restart": {"type": "bool", "default": False},
        "max_connections": {"type": "int"},
        "log_connections": {"type": "bool", "default": True},
        "log_disconnections": {"type": "bool", "default": True},
        "log_statement": {"type": "str", "default": "ddl", "choices": ["none", "ddl", "mod", "all"]},
        "log_line_prefix": {"type": "str", "default": LOG_LINE_PREFIX},
    }
    SECRETS = ("POSTGRES_TLS_KEY",)

    def __init__(self, stack: Any, options: Any, secrets: Any) -> None:
        super().__init__(stack, options, secrets)
        self.server: Optional[Server] = None
        self.settings: Dict[str, str] = {}
        self.rules: List[str] = []
        self.files: List[str] = []
        self.shown: Given = Given()
        self.rehash: List[Tuple[str, str, str]] = []  # role, verifier there is, verifier to be
        self._rehashed: List[Tuple[str, str]] = []
        self._reloaded = False
        self._begun = 0.0

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        plan = Plan()
        services = self.stack.of("postgres")
        if not services:
            self._elsewhere(plan)
            return plan
        service = "postgres" if "postgres" in services else services[0]
        if len(services) > 1 and service != "postgres":
            raise Refused(
                "%s are PostgreSQL: which one is the deployment's own is not known; call it postgres"
                % ", ".join(services)
            )
        plan.left += ["%s is a PostgreSQL too, and stays as it is" % name for name in services if name != service]
        server = self.server = Server(self.stack, service)
        server.ask()
        self.settings = self._logging(server, plan)
        clients = postgres_clients.clients_of(self.stack.services, service)
        fragment: Dict[str, Any] = {}
        if self.options["enabled"]:
            uid, gid = server.owner()
            plan.folders += [(FOLDER, 0o711, 0, 0), (SERVER_FOLDER, 0o750, 0, gid)]
            self._certificate(server, plan, uid, gid, clients)
            self._hba(server, plan, gid, clients)
            fragment[service] = {"volumes": [postgres_clients.mount("./" + SERVER_FOLDER, INSIDE)]}
            if self.options["required"]:
                fragment.update(self._tell(clients, plan))
        else:
            plan.left.append("enabled is false, so PostgreSQL is left without TLS and its rules as they are")
        plan.postgres_settings[service] = self.settings
        plan.recreate += self._drifted(server, clients)
        if fragment:
            plan.fragment = {"services": fragment}
        return plan

    def _drifted(self, server: Server, clients: Sequence[postgres_clients.Client]) -> List[str]:
        """Return the services that do not run as they were told the last time."""
        known = server.section("settings")
        out = [
            server.service for name, value in self.settings.items() if name in known and server.setting(name) != value
        ]
        if self.options["enabled"] and self.options["required"]:
            mode = self.options["client_mode"]
            out += [
                client.service
                for client in clients
                if self.stack.inspect(client.service) is not None
                and postgres_clients.behind(client, self.stack.environment(client.service), mode)
            ]
        return sorted(set(out))

    def _logging(self, server: Server, plan: Plan) -> Dict[str, str]:
        out = {
            "log_connections": "on" if self.options["log_connections"] else "off",
            "log_disconnections": "on" if self.options["log_disconnections"] else "off",
            "log_statement": self.options["log_statement"],
            "log_line_prefix": self.options["log_line_prefix"],
            "password_encryption": postgres_hba.SCRAM,
        }
        most = self.options["max_connections"]
        if most is not None:
            busy = sum(int(item["count"]) for item in server.section("sessions"))
            if most < busy + RESERVED:
                raise Refused(
                    "max_connections: %d is too few, %d sessions are open now and %d are kept for superusers; "
                    "give at least %d, or make the services' pools smaller first"
                    % (most, busy, RESERVED, busy + RESERVED)
                )
            out["max_connections"] = str(most)
        waiting = [name for name in server.section("pending_restart") if name not in out]
        if waiting and not self.options["restart"]:
            plan.left.append(
                "%s of PostgreSQL wait for a restart; postgres_tls_restart has it made, once it is tried out"
                % ", ".join(waiting)
            )
        for item in server.section("overrides"):
            if item["name"] in out and item["value"].lower() != out[item["name"]].lower():
                plan.left.append(_overridden(item))
        broken = server.errors() + server.broken_rules()
        if broken:
            plan.left.append("PostgreSQL does not take %s; mend them by hand" % ", ".join(broken))
        return out

    def _certificate(
        self, server: Server, plan: Plan, uid: int, gid: int, clients: Sequence[postgres_clients.Client]
    ) -> None:
        model = self.stack.services[server.service]
        names = _names(self.stack, server.service, model, self.options["names"])
        self.settings.update({"ssl": "on", "ssl_min_protocol_version": self.options["min_protocol"]})
        wanted = (self.options["certificate"], self.secrets.get("POSTGRES_TLS_KEY", ""), self.options["ca"])
        own, why = (None, "") if any(wanted[:2]) else own_certificate(self.stack.host, server, (INSIDE,))
        plan.left += [why] if why else []
        if own is not None:
            # Who gave his server a certificate keeps it.
            what = "the server's own certificate"
            self.shown = given(self.stack.host, own, "", wanted[2], names, self.options["client_mode"], what)
        elif any(wanted[:2]):
            self.shown = given(
                self.stack.host, wanted[0], wanted[1], wanted[2], names, self.options["client_mode"], "certificate"
            )
        else:
            self.shown = self._made(names, plan)
        plan.left += self.shown.left
        if self.shown.key:
            plan.files.append(File(SERVER_FOLDER + "/server.crt", self.shown.chain, 0o640, 0, gid, secret=True))
            if self.shown.authorities:
                plan.files.append(File(SERVER_FOLDER + "/root.crt", self.shown.authorities, 0o640, 0, gid))
            plan.files.append(File(SERVER_FOLDER + "/server.key", self.shown.key, 0o600, uid, gid, secret=True))
            self.files += [INSIDE + "/server.crt", INSIDE + "/server.key"]
            self.settings.update({"ssl_cert_file": INSIDE + "/server.crt", "ssl_key_file": INSIDE + "/server.key"})
        if self.shown.authorities and clients and self.options["required"]:
            readers = tuple(client.service for client in clients)
            plan.files.append(File(AUTHORITY, self.shown.authorities, services=readers))

    def _made(self, names: Sequence[str], plan: Plan) -> Given:
        places = {
            "ca.crt": AUTHORITY_FOLDER + "/ca.crt",
            "ca.key": AUTHORITY_FOLDER + "/ca.key",
            "server.crt": SERVER_FOLDER + "/server.crt",
            "server.key": SERVER_FOLDER + "/server.key",
        }
        old = {name: self.stack.read(path) for name, path in places.items()}
        subject = "%s PostgreSQL authority" % self.stack.project[:30]
        authority, leaf, _told = certificates.maintained(self.stack.host, old, subject, names)
        plan.folders.append((AUTHORITY_FOLDER, 0o700, 0, 0))
        plan.files.append(File(places["ca.crt"], authority.certificate, 0o600, secret=True))
        plan.files.append(File(places["ca.key"], authority.key, 0o600, secret=True))
        return Given(leaf.certificate, leaf.key, authority.certificate, tuple(names), [])

    def _hba(self, server: Server, plan: Plan, gid: int, clients: Sequence[postgres_clients.Client]) -> None:
        ours = INSIDE + "/pg_hba.conf"
        source = server.hba_source(ours, self.stack.services[server.service].get("command"))
        try:
            found = postgres_hba.rules_of(source, server.read, server.list_dir)
        except FileNotFoundError as error:
            raise Refused("%s: PostgreSQL's file of rules %s is not there" % (server.service, error)) from None
        allowed = postgres_hba.networks(self.options["allowed_hosts"])
        everybody = postgres_hba.everybody(allowed)
        if everybody:
            plan.left.append("allowed_hosts has %s, so the password alone keeps the world out" % ", ".join(everybody))
        md5 = self._md5_roles(server, found, clients)
        if md5:
            plan.left.append(
                "the passwords of %s are stored as md5 and are not known here; set them again with ALTER ROLE"
                % ", ".join(md5)
            )
        near = ["samenet"]
        if self.stack.services[server.service].get("network_mode") == "host":
            near = self.stack.subnets()
        wish = postgres_hba.Wish(
            tuple(dict.fromkeys(near + allowed)),
            self.options["required"],
            self.options["keep_rules"],
            postgres_hba.extra_lines(self.options["hba_rules"]),
            tuple(md5),
        )
        outcome = postgres_hba.outcome(found, wish)
        self.rules = outcome.lines
        text = postgres_hba.text_of(outcome, source)
        plan.files.append(File(SERVER_FOLDER + "/pg_hba.conf", text, 0o640, 0, gid, secret=outcome.secret))
        if self.stack.read(SERVER_FOLDER + "/pg_hba.conf") != text:
            plan.left += ["pg_hba.conf: " + told for told in outcome.told]
        self.files.append(ours)
        self.settings["hba_file"] = ours

    def _md5_roles(
        self, server: Server, found: Sequence[postgres_hba.Rule], clients: Sequence[postgres_clients.Client]
    ) -> List[str]:
        """Return the roles that only md5 lets in, after those whose password is known were noted to be hashed anew."""
        verifiers = {item["role"]: item["verifier"] for item in server.section("verifiers") if item["login"]}
        environment = self.stack.environment(server.service)
        known = postgres_clients.logins_of(clients)
        own = environment.get("POSTGRES_USER") or "postgres"
        known.append((server.service, own, environment.get("POSTGRES_PASSWORD", "")))
        if postgres_hba.lets_in_without_password(found):
            for service, role, password in known[:-1]:
                if role in verifiers and not pg_verifier.fits(verifiers[role] or "", role, password):
                    raise Refused(
                        "%s logs in as %s with a password that is not that role's: only a rule with trust lets it in. "
                        "Set the password with ALTER ROLE first" % (service, role)
                    )
        left = []
        for role, verifier in sorted(verifiers.items()):
            if pg_verifier.method_of(verifier) != pg_verifier.MD5:
                continue
            words = [word for _service, name, word in known if name == role and pg_verifier.fits(verifier, role, word)]
            try:
                self.rehash.append((role, verifier, pg_verifier.scram(words[0], os.urandom(16))))
            except (IndexError, ValueError):
                left.append(role)
        return left

    def _tell(self, clients: Sequence[postgres_clients.Client], plan: Plan) -> Dict[str, Any]:
        mode = self.options["client_mode"]
        authorities = INSIDE_CLIENTS if self.shown.authorities else ""
        if mode != MODES[0] and not authorities:
            raise Refused("client_mode %s needs to know who vouches for the certificate: give postgres_tls_ca" % mode)
        tls = postgres_clients.Tls(mode, authorities, "./" + AUTHORITY)
        told = postgres_clients.tell(clients, self.stack.services, self.stack.raw, tls)
        plan.database_urls += told.urls
        plan.left += told.left
        return told.services

    def _elsewhere(self, plan: Plan) -> None:
        """Tell the clients of a PostgreSQL on the host itself, once that one speaks TLS by the role's other half."""
        names = postgres_elsewhere.names_of_host(self.stack)
        clients = postgres_clients.clients_among(self.stack.services, names)
        if not clients or not (self.options["enabled"] and self.options["required"]):
            return
        authority = postgres_elsewhere.authority(self.stack.host, clients)
        if not authority:
            plan.left.append(
                "the database of %s is on the host and has no certificate of this role's yet: see postgres_tls_on_host"
                % ", ".join(client.service for client in clients)
            )
            return
        self.shown.authorities = authority
        plan.files.append(File(AUTHORITY, authority, services=tuple(client.service for client in clients)))
        plan.folders.append((FOLDER, 0o711, 0, 0))
        plan.fragment = {"services": self._tell(clients, plan)}

    # -- doing it ----------------------------------------------------------------------------------------------------

    def prepare(self, changes: Changes) -> None:
        self._begun = self.stack.host.now()
        for role, old, new in self.rehash:
            changes.note("the password of role %s, stored as md5, is stored as %s" % (role, postgres_hba.SCRAM))
            if not changes.check:
                self._store(role, new)
                self._rehashed.append((role, old))

    def validate(self) -> None:
        if self.server is not None and self.options["enabled"]:
            self.server.try_out(self.settings, self.server.setting("data_directory"))

    def settle(self, changes: Changes) -> None:
        if self.server is None:
            return
        before = changes.changed
        self.server.reload_due(self.files, changes)
        self._reloaded = (not changes.check and changes.changed != before) or self._reloaded
        if self.options["restart"] and self.server.section("pending_restart"):
            waiting = ", ".join(self.server.section("pending_restart"))
            changes.note("%s is restarted, for %s" % (self.server.service, waiting))
            if not changes.check:
                self.server.try_out(self.settings, self.server.setting("data_directory"))
                self.server.restart()

    def verify(self) -> None:
        server = self.server
        if server is None:
            return
        server.ask()
        for name, value in sorted(self.settings.items()):
            if name in server.section("settings") and server.setting(name) != value:
                raise Mismatch("PostgreSQL runs with %s = %s instead of %s" % (name, server.setting(name), value))
        if not self.options["enabled"]:
            return
        closed = self.options["required"] and not postgres_hba.plain(self.rules)
        postgres_proof.prove(self.stack, server, postgres_proof.Promise(closed, self._begun, self.shown, INSIDE))

    def revert(self) -> None:
        for role, old in self._rehashed:
            self._store(role, old)
        if self.server is not None and self._reloaded:
            self.server.reload()

    # -- inner -------------------------------------------------------------------------------------------------------

    def _store(self, role: str, verifier: str) -> None:
        if self.server is not None:
            # A verifier has no place in the log either.
            self.server.sql(
                "SET log_statement = 'none';\nSET log_min_duration_statement = -1;\nSET log_min_error_statement = 'panic';\n"
                "ALTER ROLE %s PASSWORD '%s';\n" % (pg_names.quoted(role), verifier)
            )


def _overridden(item: Any) -> str:
    """Return what to do about a role or database that has a setting of its own, which wins over the server's."""
    words = ["ROLE %s" % (pg_names.quoted(item["role"]) if item["role"] else "ALL")]
    if item["database"]:
        words = words + ["IN DATABASE"] if item["role"] else ["DATABASE"]
        words.append(pg_names.quoted(item["database"]))
    where = " ".join(words)
    return "%s has %s = %s of its own: `ALTER %s RESET %s`" % (where, item["name"], item["value"], where, item["name"])


def _names(stack: Any, service: str, model: Any, more: Sequence[str]) -> List[str]:
    """Return the names that a certificate of the server has to be for."""
    node = os.uname().nodename
    names = [service] + sorted(postgres_clients.names_of(service, model) - {service})
    names += ["localhost", "127.0.0.1", "::1", node] + list(more)
    return list(dict.fromkeys(name.lower() for name in names if re.match(r"[A-Za-z0-9_.:*-]+\Z", name)))
