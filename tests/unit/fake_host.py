# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one fake of plugins/module_utils/host.py: a machine made of dictionaries."""

from __future__ import annotations

import shlex

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.host import (
    Completed,
    FileInfo,
    HostError,
    NotFound,
    PeerClosed,
)


class FakeHost:
    """A machine made of dictionaries.

    files: path -> text, bytes, or a HostError to raise; directories exist where a file is below them.
    stats: path -> FileInfo, where the default (a 0644 file of root) will not do.
    commands: a command line as shlex.join gives it -> stdout, Completed, HostError, or a callable(argv, stdin, env).
    links: path -> target. peers: (address, port) -> bytes that the peer sends, a callable(what was sent) that returns
    them, or a HostError.
    A command that is not listed is not installed. What was run is in `ran`, as (argv, stdin, env).
    """

    def __init__(
        self, files=None, stats=None, commands=None, links=None, peers=None, now=1.8e9, euid=0, variables=None
    ):
        self.files = dict(files or {})
        self.stats = dict(stats or {})
        self.commands = dict(commands or {})
        self.links = dict(links or {})
        self.peers = dict(peers or {})
        self.variables = dict(variables or {})
        self._now = now
        self._euid = euid
        self.ran = []

    def within(self, seconds):
        return self

    def now(self):
        return self._now

    def euid(self):
        return self._euid

    def variable(self, name):
        return self.variables.get(name)

    def read(self, path, limit=4 << 20):
        return self.read_bytes(path, limit).decode("utf-8", "replace")

    def read_strictly(self, path):
        return self.read(path)

    def read_bytes(self, path, limit=4 << 20):
        data = self.read_start(path, limit + 1)
        if len(data) > limit:
            raise HostError(Reason.ERROR, path, "is larger than %d bytes" % limit)
        return data

    def read_start(self, path, size):
        if path not in self.files:
            if self._is_dir(path):
                raise HostError(Reason.ERROR, path, "is not a regular file")
            raise NotFound(Reason.ERROR, path, "does not exist")
        data = self._value(self.files[path])
        data = data.encode("utf-8") if isinstance(data, str) else data
        return data[:size]

    def stat(self, path, follow=True):
        if path in self.stats:
            return self._value(self.stats[path])
        if not follow and path in self.links:
            return FileInfo(0o777, 0, 0, 0, 0.0, "link")
        if path in self.files:
            data = self.files[path]
            size = 0 if isinstance(data, HostError) else len(data)
            return FileInfo(0o644, 0, 0, size, 0.0, "file")
        if self._is_dir(path):
            return FileInfo(0o755, 0, 0, 0, 0.0, "dir")
        raise NotFound(Reason.ERROR, path, "does not exist")

    def listdir(self, path):
        if path in self.files and isinstance(self.files[path], HostError):
            raise self.files[path]
        if not self._is_dir(path):
            raise NotFound(Reason.ERROR, path, "does not exist")
        prefix = path.rstrip("/") + "/"
        below = [name for name in list(self.files) + list(self.stats) + list(self.links) if name.startswith(prefix)]
        return sorted({name[len(prefix) :].split("/", 1)[0] for name in below} - {""})

    def readlink(self, path):
        if path not in self.links:
            raise NotFound(Reason.ERROR, path, "does not exist")
        return self._value(self.links[path])

    def realpath(self, path):
        return self.links.get(path, path)

    def which(self, name):
        known = any(line.split()[0] == name for line in self.commands if isinstance(line, str))
        return "/usr/bin/" + name if known else None

    def run(self, argv, timeout=5.0, stdin="", env=None, cwd="/", owner=None):
        self.ran.append((tuple(argv), stdin, dict(env or {})))
        line = " ".join(shlex.quote(part) for part in argv)
        if line in self.commands:
            answer = self.commands[line]
        elif argv[0] in self.commands:
            answer = self.commands[argv[0]]
        else:
            raise HostError(Reason.TOOL_ABSENT, argv[0], "is not installed")
        if callable(answer):
            answer = answer(list(argv), stdin, dict(env or {}))
        answer = self._value(answer)
        return Completed(0, answer, "") if isinstance(answer, str) else answer

    def connect(self, address, port, timeout=3.0):
        if (address, port) not in self.peers:
            raise HostError(Reason.ERROR, "%s:%d" % (address, port), "Connection refused")
        return FakeConnection(self._value(self.peers[(address, port)]))

    def _is_dir(self, path):
        prefix = path.rstrip("/") + "/"
        if path in self.stats and self.stats[path].kind == "dir":
            return True
        return any(name.startswith(prefix) for name in list(self.files) + list(self.stats) + list(self.links))

    @staticmethod
    def _value(value):
        if isinstance(value, HostError):
            raise value
        return value


class FakeConnection:
    """The stream of a peer that has said everything already, or that answers what it was sent."""

    def __init__(self, data):
        self._data = data
        self.sent = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        return None

    def send(self, data):
        self.sent += data

    def _answer(self):
        if callable(self._data):
            self._data = self._data(self.sent)

    def receive(self, size):
        self._answer()
        if len(self._data) < size:
            raise PeerClosed(Reason.ERROR, "peer", "connection closed by the peer")
        data, self._data = self._data[:size], self._data[size:]
        return data

    def receive_line(self, limit=4096):
        self._answer()
        if b"\n" not in self._data:
            raise PeerClosed(Reason.ERROR, "peer", "connection closed by the peer")
        line, self._data = self._data.split(b"\n", 1)
        return line.rstrip(b"\r")

    def receive_all(self, limit=4 << 20):
        self._answer()
        data, self._data = self._data[:limit], b""
        return data
