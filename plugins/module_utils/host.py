# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door to the machine: run, read, stat, list, connect.

Nothing else in the collection opens a file, starts a process or a socket on the managed host. Each call is bounded in time and
size, and fails with HostError, whose reason is one of the report's reasons for `unknown`. Tests pass a fake with these methods.
"""

from __future__ import annotations

import errno
import os
import re
import selectors
import signal
import socket
import ssl
import stat as stat_module
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any, BinaryIO, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing, Reason

# Tools of the system live here even where an ordinary user's PATH does not say so.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"
READ_LIMIT = 4 * 1024 * 1024  # bytes of one file
OUTPUT_LIMIT = 16 * 1024 * 1024  # bytes of one command's output


class HostError(Exception):
    """The machine did not give what was asked. reason: one of Reason.ALL; subject: path, command or address."""

    def __init__(self, reason: str, subject: str, detail: str = "") -> None:
        super().__init__("%s: %s" % (subject, detail or reason))
        self.reason = reason
        self.subject = subject
        self.detail = detail

    def missing(self, path: str) -> Missing:
        """Return this error as an unread fact at a dotted path."""
        return Missing(path, self.reason, str(self))


class NotFound(HostError):
    """The file or directory does not exist: an answer, not a failure."""


@dataclass(frozen=True)
class Completed:
    """A finished command. out and err are text (UTF-8, undecodable bytes replaced)."""

    rc: int
    out: str
    err: str


@dataclass(frozen=True)
class FileInfo:
    """What stat says. mode: permission bits; size in bytes; mtime in seconds since the epoch; kind: file dir socket link other.

    ctime: when content, owner, mode or name last changed, which cp -p and rsync -a cannot set back. links: how many names it has.
    """

    mode: int
    uid: int
    gid: int
    size: int
    mtime: float
    kind: str
    ctime: float = 0.0
    links: int = 1


_KINDS = (
    (stat_module.S_ISREG, "file"),
    (stat_module.S_ISDIR, "dir"),
    (stat_module.S_ISSOCK, "socket"),
    (stat_module.S_ISLNK, "link"),
)


def _os_error(error: OSError, subject: str) -> HostError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESRCH):
        return NotFound(Reason.ERROR, subject, "does not exist")
    if error.errno in (errno.EACCES, errno.EPERM):
        return HostError(Reason.NEEDS_ROOT, subject, "permission denied")
    return HostError(Reason.ERROR, subject, error.strerror or str(error))


def open_strictly(path: str, flags: int, root: str = "/") -> int:
    """Return the descriptor of a path below a root, none of whose folders is a link. Raises OSError."""
    parts = [part for part in path.split("/") if part]
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts[:-1]:
        try:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    try:
        return os.open(parts[-1] if parts else ".", flags, dir_fd=folder)
    finally:
        os.close(folder)


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    """Return at most size bytes. In small pieces: /proc/sys refuses a large buffer with ENOMEM."""
    pieces = []
    while size > 0:
        piece = stream.read(min(size, 65536))
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _memory_file(text: str) -> BinaryIO:
    """Return an open file in memory that holds a text and stands on no disk."""
    stream = os.fdopen(os.memfd_create("stdin"), "w+b")
    stream.write(text.encode("utf-8", "replace"))
    stream.seek(0)
    return stream


def _exchange(process: "subprocess.Popen[bytes]", expires: float) -> Tuple[bytes, bytes]:
    """Return a process' (stdout, stderr) once both are closed and it has ended.

    Unlike communicate() it stops reading at OUTPUT_LIMIT (OverflowError): what goes wrong on a host must not eat its memory.
    """
    pieces: Dict[Any, List[bytes]] = {process.stdout: [], process.stderr: []}
    left_over = OUTPUT_LIMIT
    with selectors.DefaultSelector() as selector:
        for stream in pieces:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = expires - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, left)
            for key, _events in selector.select(left):
                piece = os.read(key.fd, 65536)
                if not piece:
                    selector.unregister(key.fileobj)
                    continue
                left_over -= len(piece)
                if left_over < 0:
                    raise OverflowError
                pieces[key.fileobj].append(piece)
    process.wait(timeout=max(0.0, expires - time.monotonic()))
    for stream in pieces:
        stream.close()
    return b"".join(pieces[process.stdout]), b"".join(pieces[process.stderr])


class Trust:
    """The certification authorities of this host, loaded once for all who ask: each time costs 20 ms."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._context: Optional[ssl.SSLContext] = None

    def context(self) -> ssl.SSLContext:
        with self._lock:
            if self._context is None:
                self._context = ssl.create_default_context()
                # Python 3.13 began to refuse chains that are untidy but that browsers and older Pythons trust: ask all alike.
                self._context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            return self._context


class Connection:
    """One TCP or UNIX stream with a deadline. Every method raises HostError on failure or timeout."""

    def __init__(self, sock: socket.socket, subject: str, expires: float, trust: Optional[Trust] = None) -> None:
        self._sock = sock
        self._trust = trust or Trust()
        self._subject = subject
        self._expires = expires
        self._buffer = b""

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *unused: object) -> None:
        self._sock.close()

    def send(self, data: bytes) -> None:
        self._arm()
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise self._failed(error) from error

    def receive(self, size: int) -> bytes:
        """Return exactly size bytes. Raises HostError where the peer closes before."""
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def receive_line(self, limit: int = 4096) -> bytes:
        """Return up to and without the next newline, at most limit bytes."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > limit:
                raise HostError(Reason.PARSE_ERROR, self._subject, "line too long")
            self._fill()
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def receive_all(self, limit: int = READ_LIMIT) -> bytes:
        """Return everything until the peer closes, at most limit bytes."""
        while len(self._buffer) < limit:
            try:
                self._fill()
            except EOFError:
                break
        data, self._buffer = self._buffer[:limit], b""
        return data

    def start_tls(self, server_name: str, verify: bool = False) -> None:
        """Speak TLS from here on, with server_name in the handshake.

        verify=False takes any certificate: it is looked at, not trusted. verify=True wants one that this host's own
        certification authorities vouch for, for server_name. Raises HostError; where it was the certificate that was
        refused, a Refused.
        """
        if verify:
            context = self._trust.context()
        else:
            # Not the default context: it loads every authority of this host, 20 ms a connection, to ask none of them.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._arm()
        try:
            self._sock = context.wrap_socket(self._sock, server_hostname=server_name)
        except ssl.SSLCertVerificationError as error:
            raise Refused(Reason.ERROR, self._subject, error.verify_message) from error
        except (OSError, ValueError) as error:  # ValueError: a name that cannot stand in a handshake
            raise self._failed(error if isinstance(error, OSError) else OSError(str(error))) from error

    def certificate(self) -> bytes:
        """Return the peer's certificate, DER. Only after start_tls()."""
        return self._sock.getpeercert(binary_form=True) or b""  # type: ignore[attr-defined]

    def _fill(self) -> None:
        self._arm()
        try:
            chunk = self._sock.recv(65536)
        except OSError as error:
            raise self._failed(error) from error
        if not chunk:
            raise PeerClosed(Reason.ERROR, self._subject, "connection closed by the peer")
        self._buffer += chunk

    def _arm(self) -> None:
        left = self._expires - time.monotonic()
        if left <= 0:
            raise HostError(Reason.TIMEOUT, self._subject, "no answer in time")
        self._sock.settimeout(left)

    def _failed(self, error: OSError) -> HostError:
        if isinstance(error, socket.timeout):
            return HostError(Reason.TIMEOUT, self._subject, "no answer in time")
        if isinstance(error, ssl.SSLError):  # its errno is OpenSSL's own, in which 1 is not EPERM
            words = (error.reason or "").replace("_", " ").lower() or re.sub(
                r"^\[\w+\] | \(_ssl.*", "", str(error.args[-1])
            )
            return HostError(Reason.ERROR, self._subject, words)
        return _os_error(error, self._subject)


class PeerClosed(HostError, EOFError):
    """The peer ended the stream."""


class Refused(HostError):
    """The peer's certificate is not one that this host trusts for that name. detail says why."""


class Host:
    """This machine. A Host may carry a deadline (see within), which bounds everything asked of it."""

    def __init__(self, expires: Optional[float] = None, trust: Optional[Trust] = None) -> None:
        self._expires = expires
        self._trust = trust or Trust()

    def within(self, seconds: float) -> "Host":
        """Return this host with a deadline so many seconds from now."""
        return Host(time.monotonic() + seconds, self._trust)

    # -- time and identity -------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Return the wall clock, in seconds since the epoch."""
        return time.time()

    def euid(self) -> int:
        return os.geteuid()

    def variable(self, name: str) -> Optional[str]:
        """Return a variable of this process' environment, or None."""
        return os.environ.get(name)

    # -- files -------------------------------------------------------------------------------------------------------

    def read(self, path: str, limit: int = READ_LIMIT) -> str:
        """Return a regular file's text (UTF-8, undecodable bytes replaced). Raises NotFound, HostError."""
        return self.read_bytes(path, limit).decode("utf-8", "replace")

    def read_bytes(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """Return a regular file's bytes. A file over limit is an error, a device or pipe is never opened for reading."""
        data = self.read_start(path, limit + 1)
        if len(data) > limit:
            raise HostError(Reason.ERROR, path, "is larger than %d bytes" % limit)
        return data

    def read_start(self, path: str, size: int) -> bytes:
        """Return at most so many first bytes of a regular file. Raises NotFound, HostError."""
        self._check_deadline(path)
        try:
            # O_NONBLOCK: a FIFO planted at a well-known path must not hang the audit.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _os_error(error, path) from error
        try:
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                if not stat_module.S_ISREG(os.fstat(descriptor).st_mode):
                    raise HostError(Reason.ERROR, path, "is not a regular file")
                return _read_up_to(stream, size)
        except OSError as error:
            raise _os_error(error, path) from error

    def read_strictly(self, path: str) -> str:
        """Return a regular file's text like read(), where nothing on the way may be a link. Raises NotFound, HostError."""
        self._check_deadline(path)
        try:
            descriptor = open_strictly(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb", buffering=0) as stream:
                if not stat_module.S_ISREG(os.fstat(descriptor).st_mode):
                    raise HostError(Reason.ERROR, path, "is not a regular file")
                return _read_up_to(stream, READ_LIMIT).decode("utf-8", "replace")
        except OSError as error:
            raise _os_error(error, path) from error

    def stat(self, path: str, follow: bool = True) -> FileInfo:
        """Return what stat (or lstat) says of a path. Raises NotFound, HostError."""
        self._check_deadline(path)
        try:
            info = os.stat(path, follow_symlinks=follow)
        except OSError as error:
            raise _os_error(error, path) from error
        kind = next((name for test, name in _KINDS if test(info.st_mode)), "other")
        mode = stat_module.S_IMODE(info.st_mode)
        return FileInfo(mode, info.st_uid, info.st_gid, info.st_size, info.st_mtime, kind, info.st_ctime, info.st_nlink)

    def listdir(self, path: str) -> List[str]:
        """Return the names in a directory, sorted. Raises NotFound, HostError."""
        self._check_deadline(path)
        try:
            return sorted(os.listdir(path))
        except OSError as error:
            raise _os_error(error, path) from error

    def readlink(self, path: str) -> str:
        try:
            return os.readlink(path)
        except OSError as error:
            raise _os_error(error, path) from error

    def realpath(self, path: str) -> str:
        return os.path.realpath(path)

    # -- processes ---------------------------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        timeout: float = 5.0,
        stdin: str = "",
        env: Optional[Dict[str, str]] = None,
        cwd: str = "/",
        owner: Optional[Tuple[int, int]] = None,
    ) -> Completed:
        """Run a command without a shell and return how it ended, whatever its exit code.

        timeout in seconds, cut by the host's deadline. stdin is a file in memory, so a command may also open /dev/stdin:
        secrets go there, never into argv. env is added to the environment and must be the audit's own words: what a
        project says there (PATH, LD_PRELOAD, HOME) would run as root. owner: (uid, gid) to run as where this is root,
        for commands that obey files of somebody else. Raises HostError(tool_absent) where there is no such command,
        HostError(timeout) after the whole process group was killed.
        """
        name = argv[0]
        environment = dict(os.environ)
        # First what only root can write: a PATH that others had a hand in must not choose what root runs.
        environment["PATH"] = SYSTEM_PATH + ":" + environment.get("PATH", "")
        environment["LC_ALL"] = "C"
        environment.update(env or {})
        left = self._left(timeout, name)
        command = [self._which(name, environment["PATH"])] + list(argv[1:])
        if owner is not None and os.geteuid() == 0 and owner[0] != 0:
            setpriv = self._which("setpriv", environment["PATH"])
            command = [setpriv, "--reuid=%d" % owner[0], "--regid=%d" % owner[1], "--clear-groups", "--"] + command
            environment["HOME"] = "/nonexistent"
        source = _memory_file(stdin)
        try:
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise _os_error(error, name) from error
        finally:
            source.close()
        try:
            out, err = _exchange(process, time.monotonic() + left)
        except subprocess.TimeoutExpired:
            self._kill(process)
            raise HostError(Reason.TIMEOUT, name, "no answer within %.3g s" % left) from None
        except OverflowError:
            self._kill(process)
            raise HostError(Reason.ERROR, name, "printed more than %d bytes" % OUTPUT_LIMIT) from None
        return Completed(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def which(self, name: str) -> Optional[str]:
        """Return where a command is, or None."""
        try:
            return self._which(name, SYSTEM_PATH + ":" + os.environ.get("PATH", ""))
        except HostError:
            return None

    @staticmethod
    def _which(name: str, path: str) -> str:
        for folder in path.split(":"):
            candidate = os.path.join(folder or "/", name)
            if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
                return candidate
        raise HostError(Reason.TOOL_ABSENT, name, "is not installed")

    @staticmethod
    def _kill(process: "subprocess.Popen[bytes]") -> None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except OSError:
            process.kill()
        # A process in uninterruptible sleep does not die; the audit goes on without it.
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        try:
            process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            pass

    # -- sockets -----------------------------------------------------------------------------------------------------

    def connect(self, address: str, port: int, timeout: float = 3.0) -> Connection:
        """Open a TCP stream. timeout in seconds for everything done on it. Raises HostError."""
        subject = "%s:%d" % (address, port)
        left = self._left(timeout, subject)
        try:
            sock = socket.create_connection((address, port), timeout=left)
        except socket.timeout:
            raise HostError(Reason.TIMEOUT, subject, "no answer within %.3g s" % left) from None
        except OSError as error:
            raise _os_error(error, subject) from error
        return Connection(sock, subject, time.monotonic() + left, self._trust)

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def _left(self, timeout: float, subject: str) -> float:
        if self._expires is None:
            return timeout
        left = min(timeout, self._expires - time.monotonic())
        if left <= 0:
            raise HostError(Reason.TIMEOUT, subject, "the deadline had passed before it was asked")
        return left

    def _check_deadline(self, subject: str) -> None:
        self._left(1.0, subject)


def first_line(text: str, limit: int = 160) -> str:
    """Return a text's first line that is not blank, cut to limit characters: for one-line error details."""
    for line in text.splitlines():
        if line.strip():
            return line.strip()[:limit]
    return ""


def exists(host: Any, path: str, follow: bool = True) -> bool:
    """Return whether a path exists; follow: what a link leads to counts. Raises HostError where that cannot be seen."""
    try:
        host.stat(path, follow)
    except NotFound:
        return False
    return True


def names_in(host: Any, folder: str) -> List[str]:
    """Return the names in a directory, sorted, none where it does not exist. Raises HostError where it cannot be listed."""
    try:
        return list(host.listdir(folder))
    except NotFound:
        return []
