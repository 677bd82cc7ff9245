# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only door by which the collection changes a host: whole files, access rights, commands. In check mode it only tells.

What was, what will be and whether that differs is worked out in the same way in both modes, so a check predicts what a run does.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat as stat_module
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.host import (
    READ_LIMIT,
    Completed,
    FileInfo,
    Host,
    HostError,
    NotFound,
    first_line,
    open_strictly,
)

LARGEST = 16 * 1024 * 1024  # bytes of a file that is changed


class ChangeError(Exception):
    """The host could not be changed, or must not be. The message is one line that names the file or command and the next step."""


class Changes:
    """The changes of one run. check: only tell. changed: whether anything differs from what was asked for."""

    def __init__(self, host: Host, check: bool) -> None:
        self.host = host
        self.check = check
        self.changed = False
        self._diff: List[Dict[str, str]] = []
        self._effects: List[str] = []
        # In check mode: what later steps would find. None: nothing.
        self._told: Dict[str, Optional[str]] = {}

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, path: str) -> Optional[str]:
        """Return a file's text as it is after the changes so far, None where there is none. Raises ChangeError where it is not UTF-8."""
        if path in self._told:
            return self._told[path]
        return text_of(self.host, path, LARGEST)

    # -- files -------------------------------------------------------------------------------------------------------

    def file(
        self,
        path: str,
        text: str,
        mode: Optional[int] = 0o644,
        uid: Optional[int] = 0,
        gid: Optional[int] = 0,
        secret: bool = False,
        strict: bool = False,
        shown: Optional[Callable[[str], str]] = None,
    ) -> bool:
        """Make sure of a whole regular file; return whether that is a change.

        mode, uid, gid: None keeps what is there (0600, root for a new file). secret: its content is in no diff; shown: what the
        diff shows of a content. A link is followed and stays. The new file takes the old one's place in one step, so nobody ever reads half of it.
        strict: as in access(), for a folder that others than root write to: a link is refused, and so is what was changed meanwhile.
        """
        path = self._target(path, follow=not strict)
        before, info = self.read(path), self._stat(path)
        found = (info.mode, info.uid, info.gid) if info else None
        wanted = tuple(map(_or, (mode, uid, gid), found or (0o600, 0, 0)))
        if before == text and (found == wanted or path in self._told):
            return False
        if self.check:
            self._told[path] = text
        else:
            _replace(path, text.encode("utf-8"), wanted, (before,) if strict else None)
        self.changed = True
        if before != text:
            told = (shown(before or ""), shown(text)) if shown else (before or "", text)
            if secret:
                told = ("(its content is secret)\n", "(its new content is secret)\n")
            self._diff.append(_entry(path if before is not None else "%s (absent)" % path, told[0], path, told[1]))
        if found is not None and found != wanted:
            self._diff.append(_entry(path, _access(*found), path, _access(*wanted)))
        return True

    def absent(self, path: str, strict: bool = False) -> bool:
        """Make sure that a file or link is not there; return whether that is a change. strict: no folder on the way may be a link."""
        if path in self._told:
            if self._told[path] is None:
                return False
        else:
            try:
                kind = self.host.stat(path, follow=False).kind
            except NotFound:
                return False
            if kind == "dir":
                raise ChangeError("%s is a directory; remove it by hand if it has to go" % path)
        self.changed = True
        self._diff.append({"prepared": "%s is removed\n" % path})
        if self.check:
            self._told[path] = None
        else:
            with _named(path), _folder_of(path, strict) as (name, folder):
                os.unlink(name, dir_fd=folder)
        return True

    def access(
        self,
        path: str,
        mode: Optional[int] = None,
        uid: Optional[int] = None,
        gid: Optional[int] = None,
        strict: bool = False,
    ) -> bool:
        """Make sure of the mode and owner of what exists and is no link; return whether that is a change.

        strict: for a path that others than root have a hand in. No folder on the way may be a link, and what is changed has to be
        what was looked at: whoever swaps a folder or a file meanwhile gets nothing of his choice changed.
        """
        info = self.host.stat(path, follow=False)
        if info.kind == "link":
            raise ChangeError("%s is a link; its access cannot be changed" % path)
        found = (info.mode, info.uid, info.gid)
        wanted = (_or(mode, info.mode), _or(uid, info.uid), _or(gid, info.gid))
        if found == wanted:
            return False
        self.changed = True
        self._diff.append(_entry(path, _access(*found), path, _access(*wanted)))
        if not self.check:
            with _named(path):
                # By descriptor, and never through a link: nobody can swap what is changed between the look and the change.
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
                if info.kind in ("socket", "other"):
                    flags |= getattr(os, "O_PATH", 0)
                descriptor = open_strictly(path, flags) if strict else os.open(path, flags)
                try:
                    if strict:
                        _make_sure(path, info, os.fstat(descriptor))
                    _set_access(descriptor, info.kind, found, wanted)
                finally:
                    os.close(descriptor)
        return True

    def directory(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0, strict: bool = False) -> bool:
        """Make sure of a directory; return whether that is a change. Its parent has to exist. strict: as in access()."""
        info = self._stat(path)
        if info is not None:
            if info.kind != "dir":
                raise ChangeError("%s is no directory; move it away first" % path)
            return self.access(path, mode, uid, gid, strict)
        self.changed = True
        self._diff.append(_entry("%s (absent)" % path, "", path, "directory, " + _access(mode, uid, gid)))
        if not self.check:
            with _named(path):
                with _folder_of(path, strict) as (name, folder):
                    os.mkdir(name, 0o700, dir_fd=folder)
                # By descriptor: who owns the folder above may put a link in its place at once.
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = open_strictly(path, flags) if strict else os.open(path, flags)
                try:
                    if os.fstat(descriptor).st_uid != os.geteuid():
                        raise ChangeError("%s was changed by somebody else while it was made; run again" % path)
                    _set_access(descriptor, "dir", (0o700, -1, -1), (mode, uid, gid))
                finally:
                    os.close(descriptor)
        return True

    # -- effects -----------------------------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], what: str, **options: Any) -> Optional[Completed]:
        """Run a command that changes something; what: what it does, for the diff. Return how it ended, None in check mode.

        options: as Host.run takes them; timeout is 60 seconds unless given. Raises ChangeError where it fails.
        """
        self.note(what)
        if self.check:
            return None
        options.setdefault("timeout", 60.0)
        return command(self.host, argv, **options)

    def note(self, what: str) -> None:
        """Tell of a change that somebody else makes, in one line."""
        self.changed = True
        self._effects.append(what)

    def result(self) -> Dict[str, Any]:
        """Return {"changed", "diff"} as a module returns them."""
        effects = [{"prepared": "".join("%s\n" % line for line in self._effects)}] if self._effects else []
        return {"changed": self.changed, "diff": self._diff + effects}

    # -- inner -------------------------------------------------------------------------------------------------------

    def _target(self, path: str, follow: bool = True) -> str:
        try:
            kind = self.host.stat(path, follow=False).kind
        except NotFound:
            return path
        if kind == "link" and not follow:
            raise ChangeError("%s is a link; root does not write through it. Replace it by a real one" % path)
        if kind == "link":
            target = self.host.realpath(path)
            if self._stat(target) is None:
                raise ChangeError("%s is a link to %s, which does not exist; mend or remove the link" % (path, target))
            return self._target(target)
        if kind != "file":
            raise ChangeError("%s is no regular file; move it away first" % path)
        return path

    def _stat(self, path: str) -> Optional[FileInfo]:
        try:
            return self.host.stat(path)
        except NotFound:
            return None


def text_of(host: Host, path: str, limit: int = READ_LIMIT) -> Optional[str]:
    """Return a file's text, None where there is none; limit in bytes. Raises ChangeError where it cannot be read or is not UTF-8."""
    try:
        return host.read_bytes(path, limit).decode("utf-8")
    except NotFound:
        return None
    except UnicodeDecodeError:
        raise ChangeError("%s is not UTF-8 text; look at it and mend it by hand first" % path) from None
    except HostError as error:
        raise ChangeError("%s cannot be read: %s" % (path, error.detail or error.reason)) from error


def command(host: Host, argv: Sequence[str], **options: Any) -> Completed:
    """Run a command that has to work. Raises ChangeError with the first line of what it said."""
    try:
        done = host.run(argv, **options)
    except HostError as error:
        raise ChangeError("%s: %s" % (" ".join(argv[:3]), error.detail or error.reason)) from error
    if done.rc != 0:
        said = first_line(done.err) or first_line(done.out) or "no word why"
        raise ChangeError("`%s` ended with %d: %s" % (" ".join(argv), done.rc, said))
    return done


class _named:
    """Turns an OSError into a ChangeError that names the path."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, OSError):
            raise ChangeError("%s cannot be changed: %s" % (self.path, error.strerror or error)) from error


@contextlib.contextmanager
def _folder_of(path: str, strict: bool) -> Iterator[Tuple[str, Optional[int]]]:
    """Give a name and the descriptor of the folder that it is in. strict: one that no link leads to; else the path and None."""
    if not strict:
        yield path, None
        return
    folder, name = os.path.split(path)
    descriptor = open_strictly(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield name, descriptor
    finally:
        os.close(descriptor)


def _replace(path: str, data: bytes, access: Sequence[int], seen: Optional[Tuple[Optional[str]]]) -> None:
    """Put a new file in the place of the old one. access: mode, uid, gid. seen: what the old one has to hold still, in a folder that no link leads to."""
    folder, name = os.path.split(path)
    temporary = ".%s.%s" % (name, secrets.token_hex(4))
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    with _named(path):
        # By its descriptor: what is written and what is replaced are in one folder, whoever moves it.
        inside = open_strictly(folder, flags | os.O_NOFOLLOW) if seen else os.open(folder, flags)
        try:
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=inside
            )
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fchown(descriptor, access[1], access[2])
                    os.fchmod(descriptor, access[0])
                    os.fsync(descriptor)
                if seen and _text_in(inside, name) != seen[0]:
                    raise ChangeError("%s was changed by somebody else while it was looked at; run again" % path)
                os.rename(temporary, name, src_dir_fd=inside, dst_dir_fd=inside)
            except BaseException:
                try:
                    os.unlink(temporary, dir_fd=inside)
                except OSError:
                    pass
                raise
            # The rename itself has to survive a power cut too.
            os.fsync(inside)
        finally:
            os.close(inside)


def _text_in(folder: int, name: str) -> Optional[str]:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as stream:
        if not stat_module.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return stream.read(LARGEST + 1).decode("utf-8", "replace")


def _make_sure(path: str, seen: FileInfo, opened: os.stat_result) -> None:
    found = (stat_module.S_IMODE(opened.st_mode), opened.st_uid, opened.st_gid)
    if found != (seen.mode, seen.uid, seen.gid) or (seen.kind == "file") != stat_module.S_ISREG(opened.st_mode):
        raise ChangeError("%s was changed by somebody else while it was looked at; run again" % path)
    if seen.kind == "file" and opened.st_nlink > 1:
        raise ChangeError("%s has another name somewhere (a hard link); look at it first" % path)


def _set_access(descriptor: int, kind: str, found: Sequence[int], wanted: Sequence[int]) -> None:
    name = "/proc/self/fd/%d" % descriptor
    if found[1:] != wanted[1:]:
        os.chown(name, wanted[1], wanted[2]) if kind in ("socket", "other") else os.fchown(
            descriptor, wanted[1], wanted[2]
        )
    if kind in ("socket", "other"):
        os.chmod(name, wanted[0])
    elif stat_module.S_IMODE(os.fstat(descriptor).st_mode) != wanted[0]:
        os.fchmod(descriptor, wanted[0])


def _or(wanted: Optional[int], found: int) -> int:
    return found if wanted is None else wanted


def _access(mode: int, uid: int, gid: int) -> str:
    return "mode %04o, uid %d, gid %d\n" % (mode, uid, gid)


def _entry(before_header: str, before: str, after_header: str, after: str) -> Dict[str, str]:
    return {"before_header": before_header, "before": before, "after_header": after_header, "after": after}
