# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL of a deployment: what it says of itself, what stands in its files, and a throwaway server that tries new ones."""

from __future__ import annotations

import posixpath
import re
import time
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.collect import postgres_files, psql
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.links import inside, root_of
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.postgres_sql import SECTIONS
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes, text_of
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import mounts
from ansible_collections.nself.prod.plugins.module_utils.host import HostError, NotFound, first_line

ASKED = ("server", "settings", "overrides", "file_settings", "hba", "pending_restart", "verifiers", "sessions")
# Where the rules would come from without us: what the files say, which is shown only there.
HBA_IN_FILES = """
    SELECT to_json(coalesce(
        (SELECT setting FROM pg_file_settings WHERE name = 'hba_file'
         AND setting NOT LIKE '%nself-prod%' ORDER BY seqno DESC LIMIT 1), ''))"""
# What a restart would put in force: its next start is what has to be tried.
WAITING = """
    SELECT coalesce(json_object_agg(f.name, f.setting ORDER BY f.seqno), '{}')
    FROM pg_file_settings f JOIN pg_settings s ON lower(s.name) = lower(f.name) WHERE s.pending_restart"""
# ALTER SYSTEM's file, which wins over all others.
ALTERED = """
    SELECT coalesce(json_object_agg(name, setting ORDER BY seqno), '{}') FROM pg_file_settings
    WHERE sourcefile LIKE '%/postgresql.auto.conf'"""
MORE = {"hba_in_files": HBA_IN_FILES, "waiting": WAITING, "altered": ALTERED}
RELOAD_SECONDS = 10.0
RESTART_SECONDS = 120.0
LOADED = "SELECT extract(epoch FROM pg_conf_load_time());"

# The outer shell becomes the user whom the data belong to, as the image's own start does; the inner one makes a cluster of its own and
# starts it with the new settings and files. Nobody can connect to it but by the socket in its private folder.
AS_OWNER = r"""
data=$2
if [ "$(id -u)" = 0 ]; then
    owner=$(stat -c %u:%g "$data")
    for tool in "gosu $owner" "su-exec $owner" "setpriv --reuid=${owner%:*} --regid=${owner#*:} --clear-groups"; do
        if command -v "${tool%% *}" >/dev/null 2>&1; then exec $tool sh -c "$1" sh "$@"; fi
    done
    echo "this image has none of gosu, su-exec and setpriv" >&2; exit 3
fi
exec sh -c "$1" sh "$@"
""".strip()
TRY = r"""
shift 2
umask 077
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)"
for base in /tmp /dev/shm /run/postgresql; do dir=$(mktemp -d "$base/nself-prod.XXXXXX" 2>/dev/null) && break; done
[ -n "${dir:-}" ] || { echo "there is no folder to try it in" >&2; exit 3; }
pid=
trap 'if [ -n "$pid" ]; then kill -QUIT "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; fi; rm -rf "$dir"' EXIT
initdb -D "$dir/data" -U postgres --auth=trust --locale=C --no-sync >"$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 3; }
postgres -D "$dir/data" -c shared_buffers=16MB "$@" -c listen_addresses= -c unix_socket_directories="$dir" -c external_pid_file= -c port=5432 \
    -c logging_collector=off -c log_destination=stderr -c lc_messages=C -c fsync=off >"$dir/log" 2>&1 &
pid=$!
tries=0
while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do
    if pg_isready -q -h "$dir" -p 5432; then exit 0; fi
    tries=$((tries + 1)); sleep 0.2
done
cat "$dir/log" >&2
exit 1
""".strip()
UNTRIED = 3
OWN_FILES = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file")


class Server:
    """One service's PostgreSQL as it runs. Raises Refused where it cannot be asked."""

    def __init__(self, stack: Any, service: str) -> None:
        self.stack = stack
        self.service = service
        self.sections: Dict[str, Any] = {}

    # -- asking ------------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask it everything. Raises Refused where it does not answer, or where POSTGRES_USER may not see what has to be known."""
        self.sections = self._answers(dict({name: SECTIONS[name] for name in ASKED}, **MORE))
        for name in ("server", "settings"):
            self.section(name)

    def section(self, name: str) -> Any:
        """Return what it answered. Raises Refused where that is nothing."""
        value = self.sections[name]
        if isinstance(value, Unread):
            raise Refused(
                "%s does not tell %s: %s; POSTGRES_USER has to be a superuser for this"
                % (self.service, name, value.detail)
            )
        return value

    def setting(self, name: str) -> str:
        """Return a setting in force; "" where it does not tell."""
        return str((self.section("settings").get(name) or {}).get("value") or "")

    def sql(self, text: str) -> str:
        """Run SQL by the socket, as POSTGRES_USER, and return what psql prints. Raises Mismatch."""
        script = "\\set ON_ERROR_STOP on\n\\set VERBOSITY terse\n" + text
        said = ""
        for user in ("", "postgres"):
            done = self.stack.exec(self.service, ["sh", "-c", psql.SHELL], stdin=script, user=user)
            if done.rc != psql.NO_CONNECTION:
                break
        if done.rc:
            said = first_line(done.err) or "exit code %d" % done.rc
            raise Mismatch("psql in %s: %s" % (self.service, said))
        return str(done.out)

    # -- its files ---------------------------------------------------------------------------------------------------

    def place(self, path: str) -> str:
        """Return where a path of the server's is for us."""
        return inside(self.stack.host, root_of(self._pid()), path)

    def read(self, path: str) -> str:
        """Return a file of the server's. Raises FileNotFoundError where there is none, ChangeError where it cannot be read."""
        text = text_of(self.stack.host, self.place(path))
        if text is None:
            raise FileNotFoundError(path)
        return text

    def list_dir(self, path: str) -> List[str]:
        """Return the names in a folder of the server's."""
        try:
            return list(self.stack.host.listdir(self.place(path)))
        except NotFound:
            raise FileNotFoundError(path) from None

    def owner(self) -> Tuple[int, int]:
        """Return the uid and gid that its files have on this host: a user namespace may have other numbers inside."""
        info = self.stack.host.stat(self.place(self.setting("data_directory")))
        return info.uid, info.gid

    def hba_source(self, ours: str, command: Any) -> str:
        """Return the file that its rules come from, or would come from without us. command: of the model, without our documents."""
        in_force = self.setting("hba_file")
        if in_force and in_force != ours:
            return in_force
        told = told_by(command, "hba_file") or self.section("hba_in_files")
        return posixpath.join(self.setting("data_directory"), told if told and told != ours else "pg_hba.conf")

    def _blind(self) -> bool:
        """Tell whether it does not see its file of rules any more, as somebody put another in its place: it is started again for that."""
        return isinstance(self.sections["hba"], Unread) and bool(mounts.stale(self.stack, self.service, {}))

    def stale(self) -> List[str]:
        """Return the files that are newer than what it runs with."""
        if self._blind():
            return []
        found = postgres_files.collect(self.stack.host, {"pid": self._pid()}, self.sections)["changed"]
        if isinstance(found, Unread):
            raise Mismatch("%s: %s" % (self.service, found.detail))
        return list(found)

    def newer(self, paths: Sequence[str]) -> List[str]:
        """Return those of its files that were written after it last loaded them."""
        loaded = float(self.section("server")["loaded"])
        out = []
        for path in paths:
            try:
                if self.stack.host.stat(self.place(path)).mtime > loaded:
                    out.append(path)
            except NotFound:
                continue
        return out

    def errors(self) -> List[str]:
        """Return the lines of its configuration that it does not take, those left out that it takes at its next start."""
        waiting = self.section("pending_restart")
        return [
            "%s line %s" % (item.get("file"), item.get("line"))
            for item in self.section("file_settings")
            if item.get("error") is not None and item.get("name") not in waiting
        ]

    def broken_rules(self) -> List[str]:
        """Return the lines of the file of rules, as it stands, that it does not take."""
        if self._blind():
            return []
        return ["pg_hba.conf line %s" % item["line_number"] for item in self.section("hba") if item["broken"]]

    # -- changing ----------------------------------------------------------------------------------------------------

    def reload(self) -> None:
        """Have it read its files again, and wait until it has. Raises Mismatch."""
        before = self.sql(LOADED).strip()
        self.sql("SELECT pg_reload_conf() \\gset\n")
        expires = time.monotonic() + RELOAD_SECONDS
        while self.sql(LOADED).strip() == before:
            if time.monotonic() > expires:
                raise Mismatch("%s did not read its files again within %d s" % (self.service, RELOAD_SECONDS))
            time.sleep(0.2)

    def restart(self) -> None:
        """Restart its container and wait until it answers. Raises Mismatch."""
        done = self.stack.compose(["restart", self.service], timeout=120)
        if done.rc:
            raise Mismatch("%s is not restarted: %s" % (self.service, self.stack.redact(first_line(done.err))))
        expires = time.monotonic() + RESTART_SECONDS
        while True:
            self.stack.refresh()
            try:
                self.ask()
                return
            except Refused as error:
                if time.monotonic() > expires:
                    raise Mismatch("%s does not answer after its restart: %s" % (self.service, error)) from error
            time.sleep(0.5)

    def reload_due(self, paths: Sequence[str], changes: Changes) -> None:
        """Have it read again what is newer than what it runs with. paths: files that it does not list by itself."""
        self.ask()
        ours = self.newer(paths)
        broken, errors = self.broken_rules(), self.errors()
        if broken and ours:
            raise Mismatch("%s does not take %s" % (self.service, ", ".join(broken)))
        # What somebody wrote with an error in it stays for him to mend: it was told of in the plan.
        due = ours if broken or errors else list(dict.fromkeys(ours + self.stale()))
        if not due:
            return
        changes.note("%s reads its files again: %s" % (self.service, ", ".join(due)))
        if not changes.check:
            self.reload()
            self.ask()

    def try_out(self, settings: Mapping[str, str], data: str) -> None:
        """Start a server of its own, in a container of its own, with these settings and the files as they now stand. Raises Mismatch."""
        # What it has by other means it has here too: a certificate of the user's own stays where he put it.
        kept = {name: posixpath.join(data, self.setting(name)) for name in OWN_FILES if self.setting(name)}
        wanted = dict(kept, **dict(self.section("waiting"), **settings))
        words = [word for name, value in sorted(wanted.items()) for word in ("-c", "%s=%s" % (name, value))]
        try:
            done = self.stack.run_once(self.service, ["sh", "-c", AS_OWNER, "sh", TRY, data] + words, timeout=120)
        except HostError as error:
            raise Mismatch("%s could not be tried out: %s" % (self.service, error.detail or error.reason)) from error
        if done.rc == UNTRIED:
            raise Mismatch("%s could not be tried out: %s" % (self.service, complaint(done.err)))
        if done.rc:
            raise Mismatch("%s does not start with the new settings: %s" % (self.service, complaint(done.err)))

    # -- inner -------------------------------------------------------------------------------------------------------

    def _answers(self, sections: Mapping[str, str]) -> Dict[str, Any]:
        try:
            return dict(psql.ask(self.stack.host, self._id(), sections))
        except Missing as missing:
            raise Refused(
                "%s: %s; look at `docker logs` of its container" % (self.service, missing.detail)
            ) from missing

    def _container(self) -> Mapping[str, Any]:
        item = self.stack.inspect(self.service)
        if item is None or not self.stack.running(self.service):
            raise Refused(
                "%s does not run, so it cannot be asked what it has; start the deployment first" % self.service
            )
        return dict(item)

    def _id(self) -> str:
        return str(self._container()["Id"])

    def _pid(self) -> str:
        return str((self._container().get("State") or {}).get("Pid") or "")


def told_by(command: Any, name: str) -> Optional[str]:
    """Return what a command line of PostgreSQL says of a setting; None where it does not."""
    words = command.split() if isinstance(command, str) else [str(word) for word in command or []]
    found = re.findall(r"(?:^|\0)(?:-c\0?|--)%s=([^\0]*)" % name.replace("_", "[_-]"), "\0".join(words))
    return str(found[-1]) if found else None


def complaint(text: str) -> str:
    """Return what PostgreSQL complains of: its first FATAL or error, with the hints of pg_hba.conf before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    serious = [
        line
        for line in lines
        if re.search(r"FATAL|PANIC|ERROR|error:|CONTEXT|LOG: .*(could not|invalid|unrecognized|must|not )", line)
    ]
    return " | ".join(re.sub(r"^.*?(?=(FATAL|PANIC|ERROR|CONTEXT|LOG):)", "", line) for line in (serious or lines)[:4])[
        :500
    ]
