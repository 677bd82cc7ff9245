# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL of the distribution, on the host itself: the same promise as for the deployment's container, kept by a drop-in.

Its postgresql.conf and its pg_hba.conf stay as they are. What is new stands in conf.d/nself-prod.conf and in a folder of its own, is tried
out by a server of its own first, and is taken back by the host itself where it does not hold.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.nself.prod.plugins.module_utils.audit.database import beyond_local, is_network
from ansible_collections.nself.prod.plugins.module_utils.change import certificates, postgres_hba
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Guard, Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.postgres_cluster import (
    CLIENTS_AUTHORITY,
    HOST_TYPES,
    Cluster,
    HostServer,
    clusters,
)
from ansible_collections.nself.prod.plugins.module_utils.change.stack import stack as stacks
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_certificate import Given, given
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_certificate import own as own_certificate
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_elsewhere import gateways
from ansible_collections.nself.prod.plugins.module_utils.change.stack.postgres_server import (
    RELOAD_SECONDS,
    TRY,
    complaint,
)
from ansible_collections.nself.prod.plugins.module_utils.host import Host, HostError
from ansible_collections.nself.prod.plugins.module_utils.probe import postgres as probe

SPEC: Dict[str, Any] = dict(
    HOST_TYPES,
    on_host={"type": "str", "default": "auto", "choices": ["auto", "always", "never"]},
    clusters={"type": "list", "elements": "str", "default": []},
    restart={"type": "bool", "default": True},
    project_dir={"type": "str"},
)
AUTHORITY = "/etc/nself-prod/postgres"  # in a folder of root's alone
# The server takes these over only when it starts.
AT_START = ("hba_file", "max_connections")
SECONDS, PATIENCE = 300, 120
_INCLUDES = re.compile(r"^\s*include_dir\s*=?\s*'conf\.d'", re.M)


def work(host: Host, changes: Changes, params: Mapping[str, Any]) -> Dict[str, Any]:
    """Harden the clusters that are meant. Returns applicable, clusters, restarted, left."""
    out: Dict[str, Any] = {"applicable": False, "clusters": [], "restarted": [], "left": []}
    there = clusters(host) if params["on_host"] != "never" else []
    if not there:
        out["left"].append("no PostgreSQL of the distribution is meant, or none is on this host")
        return out
    reason, networks = _meant(host, params)
    found = [] if reason else _chosen(there, params["clusters"])
    if not found:
        out["left"].append(reason or "no PostgreSQL of the distribution runs on this host")
        return out
    Guard(host, "none", SECONDS, PATIENCE).make_way(changes.check)
    for cluster in found:
        one = Hardening(host, cluster, params, networks)
        one.plan()
        if one.carry_out(changes):
            out["restarted"].append(cluster.name)
        out["clusters"].append(cluster.name)
        out["left"] += ["%s: %s" % (cluster.name, text) for text in one.left]
    return dict(out, applicable=True)


def _meant(host: Host, params: Mapping[str, Any]) -> "tuple[str, List[str]]":
    """Return (why nothing is to be done, the deployment's subnets)."""
    stack, _reason = stacks.find(host, params["project_dir"])
    if stack is None:
        return (
            "" if params["on_host"] == "always" else "no deployment of nself runs here whose database it could be"
        ), []
    if params["on_host"] == "auto":
        stack.load()
        if stack.of("postgres"):
            return "the deployment has a PostgreSQL of its own; one on the host is hardened where that is asked for", []
    return "", stack.subnets()


def _chosen(found: Sequence[Cluster], wanted: Sequence[str]) -> List[Cluster]:
    """Return the clusters that run, or those that are named. Raises Refused for one that does not run."""
    if not wanted:
        return [item for item in found if item.running]
    out = []
    for name in wanted:
        match = [item for item in found if item.name == name]
        if not match or not match[0].running:
            raise Refused("no cluster %s runs here; `pg_lsclusters` lists them" % name)
        out.append(match[0])
    return out


class Hardening:
    """One cluster. networks: who may come besides this machine and allowed_hosts; left: what stays as it is, for people."""

    def __init__(self, host: Host, cluster: Cluster, params: Mapping[str, Any], networks: Sequence[str]) -> None:
        self.host, self.cluster, self.params = host, cluster, params
        self.networks = list(networks)
        self.server = HostServer(host, cluster)
        self.folder = cluster.config + "/nself-prod"
        self.drop_in = cluster.config + "/conf.d/nself-prod.conf"
        self.settings: Dict[str, str] = {}
        self.rules: List[str] = []
        self.shown = Given()
        self.left: List[str] = []
        self.required = True
        # path: (text, mode, uid, gid, secret), in the order in which they are written; the drop-in, which puts them in force, is the last.
        self.files: Dict[str, Any] = {}

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def plan(self) -> None:
        """Work out the files. Raises Refused for what cannot be."""
        self.server.ask()
        main = self.server.setting("config_file")
        if not _INCLUDES.search(self.host.read(main)):
            raise Refused("%s does not read conf.d: add the line include_dir = 'conf.d' at its end first" % main)
        self.settings = {
            "ssl": "on",
            "ssl_min_protocol_version": self.params["min_protocol"],
            "password_encryption": postgres_hba.SCRAM,
            "log_connections": "on" if self.params["log_connections"] else "off",
            "log_disconnections": "on" if self.params["log_disconnections"] else "off",
            "log_statement": self.params["log_statement"],
            "log_line_prefix": self.params["log_line_prefix"],
        }
        if self.params["max_connections"] is not None:
            self.settings["max_connections"] = str(self.params["max_connections"])
        uid, gid = self.server.owner()
        self._certificate(uid, gid)
        self._hba(gid)
        altered = self.server.section("altered")
        wrong = sorted(name for name, value in self.settings.items() if altered.get(name, value) != value)
        if wrong:
            raise Refused(
                "%s: ALTER SYSTEM has set %s, which wins over every file: `ALTER SYSTEM RESET %s` first"
                % (self.cluster.name, ", ".join(wrong), wrong[0])
            )
        self.files[self.drop_in] = (self._text(), 0o644, 0, 0, False)

    def _text(self) -> str:
        lines = ["# Written by nself.prod, role postgres_tls. What is changed here is gone with the next run."]
        lines += ["%s = '%s'" % (name, value.replace("'", "''")) for name, value in sorted(self.settings.items())]
        return "\n".join(lines) + "\n"

    def _certificate(self, uid: int, gid: int) -> None:
        names = _names(self.server.setting("listen_addresses"), self.params["names"])
        names += [name for name in gateways(self.networks) if name not in names]
        own = None
        if not (self.params["certificate"] or self.params["key"]):
            # The distribution's is for tests.
            own, why = own_certificate(self.host, self.server, ("nself-prod", "snakeoil"))
            self.left += [why] if why else []
        if own is not None:
            what = "the server's own certificate"
            self.shown = given(self.host, own, "", self.params["ca"], names, "require", what)
        elif self.params["certificate"] or self.params["key"]:
            wanted = (self.params["certificate"], self.params["key"] or "", self.params["ca"])
            self.shown = given(self.host, wanted[0], wanted[1], wanted[2], names, "require", "certificate")
        else:
            self._made(names)
        self.left += self.shown.left
        if self.shown.key:
            self.files[self.folder + "/server.crt"] = (self.shown.chain, 0o640, 0, gid, True)
            self.files[self.folder + "/server.key"] = (self.shown.key, 0o600, uid, gid, True)
            self.settings["ssl_cert_file"] = self.folder + "/server.crt"
            self.settings["ssl_key_file"] = self.folder + "/server.key"
        if self.shown.authorities:
            self.files[self.cluster.config + CLIENTS_AUTHORITY] = (self.shown.authorities, 0o644, 0, 0, False)

    def _made(self, names: Sequence[str]) -> None:
        ca = "%s/%s" % (AUTHORITY, self.cluster.name.replace("/", "-"))
        places = {name: "%s/%s" % (ca, name) for name in ("ca.crt", "ca.key")}
        places.update({name: "%s/%s" % (self.folder, name) for name in ("server.crt", "server.key")})
        dry = Changes(self.host, check=True)
        old = {name: dry.read(path) for name, path in places.items()}
        subject = "%s PostgreSQL authority" % self.cluster.name.replace("/", "-")
        authority, leaf, _told = certificates.maintained(self.host, old, subject, names)
        self.files[places["ca.crt"]] = (authority.certificate, 0o600, 0, 0, True)
        self.files[places["ca.key"]] = (authority.key, 0o600, 0, 0, True)
        self.shown = Given(leaf.certificate, leaf.key, authority.certificate, tuple(names), [])

    def _hba(self, gid: int) -> None:
        ours = self.folder + "/pg_hba.conf"
        source = self.server.hba_source(ours, None)
        found = postgres_hba.rules_of(source, self.server.read, self.server.list_dir)
        roles = {item["role"]: item["verifier"] for item in self.server.section("verifiers") if item["login"]}
        md5 = sorted(role for role, verifier in roles.items() if (verifier or "").startswith("md5"))
        if md5:
            self.left.append("the passwords of %s are stored as md5; set them again with ALTER ROLE" % ", ".join(md5))
        sessions = [item for item in self.server.section("sessions") if is_network(item["client"])]
        trusted = sorted({str(item["user"]) for item in sessions if not roles.get(item["user"])})
        if trusted and postgres_hba.lets_in_without_password(found):
            raise Refused(
                "%s: %s is connected over a network and has no password; set one with ALTER ROLE first"
                % (self.cluster.name, ", ".join(trusted))
            )
        required = self.required = self.params["required"]
        clear = sorted({"%s from %s" % (item["user"], item["client"]) for item in sessions if not item["ssl"]})
        if clear and required and not self._closed():
            # Who would be turned away has to learn of TLS first.
            required = self.required = False
            self.left.append(
                "TLS is only offered yet, for these are connected in clear: %s; give them sslmode=require and run again"
                % ", ".join(clear)
            )
        near = ["samehost"] + self.networks + postgres_hba.networks(self.params["allowed_hosts"])
        wish = postgres_hba.Wish(
            tuple(dict.fromkeys(near)),
            required,
            self.params["keep_rules"],
            postgres_hba.extra_lines(self.params["hba_rules"]),
            tuple(md5),
        )
        outcome = postgres_hba.outcome(found, wish)
        self.rules = outcome.lines
        text = postgres_hba.text_of(outcome, source)
        self.files[ours] = (text, 0o640, 0, gid, outcome.secret)
        self.settings["hba_file"] = ours

    def _closed(self) -> bool:
        """Tell whether connections in clear are turned away already."""
        found = [rule for rule in self.server.section("hba") if not rule["broken"]]
        return bool(found) and not any(beyond_local(rule) and rule["type"] != "hostssl" for rule in found)

    # -- doing it ----------------------------------------------------------------------------------------------------

    def carry_out(self, changes: Changes) -> bool:
        """Make the change, or in check mode tell it; return whether the cluster was, or would be, restarted."""
        dry = Changes(self.host, check=True)
        self._write(dry, list(self.files))
        differs = self._differing()
        stale = self.server.newer([path for path in self.files if path.startswith(self.cluster.config)])
        if not (dry.changed or differs or stale):
            return False
        restart = any(name in differs for name in AT_START)
        if restart and not self.params["restart"]:
            raise Refused(
                "%s has to be restarted for %s; allow that with postgres_tls_host_restart"
                % (self.cluster.name, ", ".join(name for name in AT_START if name in differs))
            )
        verb = "restart" if restart else "reload"
        if changes.check:
            self._write(changes, list(self.files))
            changes.note("%s is %sed" % (self.cluster.unit, verb))
            return restart
        guard = Guard(self.host, "postgres" + secrets.token_hex(8), SECONDS, PATIENCE)
        guard.arm(list(self.files), [["systemctl", verb, self.cluster.unit]])
        try:
            self._write(changes, [path for path in self.files if path != self.drop_in])
            self._try_out()
            self._write(changes, [self.drop_in])
            changes.run(
                ["systemctl", verb, self.cluster.unit], "%s is %sed" % (self.cluster.unit, verb), timeout=PATIENCE
            )
            self._verify()
        except BaseException as error:
            outcome = guard.roll_back()
            known_error = isinstance(error, (ChangeError, HostError))
            said = str(error) if known_error else "%s: %s" % (type(error).__name__, error)
            after = "it was put back as it was" if outcome == "ok" else "putting it back met with: %s" % outcome
            raise ChangeError("%s: %s; %s" % (self.cluster.name, said, after)) from error
        guard.disarm()
        return restart

    def _differing(self) -> List[str]:
        """Return the settings with which it does not run as they are wanted."""
        known = self.server.section("settings")
        return [
            name
            for name, value in sorted(self.settings.items())
            if name in known and self.server.setting(name) != value
        ]

    def _write(self, changes: Changes, paths: Sequence[str]) -> None:
        _uid, gid = self.server.owner()
        for folder in dict.fromkeys(folder for path in paths for folder in _folders(path, self.folder)):
            mine = folder == self.folder
            changes.directory(folder, 0o750 if mine else 0o700, 0, gid if mine else 0, strict=True)
        for path in paths:
            text, mode, uid, group, secret = self.files[path]
            changes.file(path, text, mode, uid, group, secret, strict=True)

    def _try_out(self) -> None:
        words = [word for name, value in sorted(self.settings.items()) for word in ("-c", "%s=%s" % (name, value))]
        argv = ["sh", "-c", TRY, "sh", "", ""] + words
        done = self.host.run(argv, timeout=90.0, owner=self.server.owner())
        if done.rc:
            raise Mismatch("a server with the new settings does not start: %s" % complaint(done.err))

    def _verify(self) -> None:
        self.server.until_up()
        expires = time.monotonic() + RELOAD_SECONDS
        while self._differing():
            if time.monotonic() > expires:
                name = self._differing()[0]
                raise Mismatch(
                    "it runs with %s = %s instead of %s" % (name, self.server.setting(name), self.settings[name])
                )
            time.sleep(0.3)
            self.server.until_up()
        address = _address(self.server.setting("listen_addresses"))
        if address is None:
            return
        port = self.cluster.port
        seen = probe.certificate(self.host, address, port, (self.shown.names or ("localhost",))[0])
        if not seen:
            raise Mismatch("it does not speak TLS on %s" % address)
        if self.shown.chain and seen != certificates.der_of(self.shown.chain):
            raise Mismatch("it shows another certificate on %s than the one that it was given" % address)
        if self.required and not postgres_hba.plain(self.rules):
            goes_on, said = probe.in_clear(self.host, address, port, self.cluster.owner, "postgres")
            if goes_on:
                raise Mismatch("it goes on in clear on %s: %s" % (address, said))


def _folders(path: str, own: str) -> List[str]:
    """Return the folders of ours that have to be there for a file, outermost first."""
    folder = os.path.dirname(path)
    if folder == own:
        return [own]
    if folder.startswith(AUTHORITY):
        return [os.path.dirname(AUTHORITY), AUTHORITY, folder]
    return []


def _names(listen: str, more: Sequence[str]) -> List[str]:
    """Return the names and addresses that a certificate of the server has to be for."""
    names = [os.uname().nodename, "localhost", "127.0.0.1", "::1", "host.docker.internal"]
    names += [word.strip() for word in listen.split(",") if word.strip() not in ("*", "0.0.0.0", "::", "")]
    return list(dict.fromkeys(name.lower() for name in names + list(more) if re.match(r"[A-Za-z0-9_.:*-]+\Z", name)))


def _address(listen: str) -> Optional[str]:
    """Return an address that the server listens on; None where it has the UNIX socket only."""
    words = [word.strip() for word in listen.split(",") if word.strip()]
    if not words:
        return None
    return "127.0.0.1" if words[0] in ("*", "0.0.0.0", "localhost") else "::1" if words[0] == "::" else words[0]
