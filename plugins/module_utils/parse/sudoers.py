# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sudoers: who may run every command as root without a password, or one that amounts to it.

The caller reads the files, follows include_of() and hands all logical lines over in one list, since aliases hold everywhere.
"""

from __future__ import annotations

import fnmatch
import re
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

# A word: quoted parts, escaped characters and anything else but white space.
_WORD = re.compile(r'(?:"[^"]*"|\\.|[^\s"\\])+')
_COMMENT = re.compile(r"((?:^|(?<=[\s,=])))#(?![-0-9])")
_INCLUDE = re.compile(r"^[@#](include|includedir)\s+(.+)$")
_ALIAS = re.compile(r"^(User|Runas|Host|Cmnd|Cmd)_Alias\s+(.+)$")
_DEFAULTS = re.compile(r"^Defaults(?:([:>@!])\s*(\S+?(?:\s*,\s*\S+?)*))?(?:\s+(.*))?$")
_NAME = re.compile(r"^[A-Z][A-Z0-9_]*$")
_TAG = re.compile(
    r"\b((?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT)|sha(?:224|256|384|512))\s*:\s*"
)
_OPTION = re.compile(
    r"^(?:ROLE|TYPE|APPARMOR_PROFILE|PRIVS|LIMITPRIVS|NOTBEFORE|NOTAFTER|CWD|CHROOT|TIMEOUT)\s*=\s*\S+\s*"
)
_DIGEST = re.compile(r"^sha\d+\0\s*\S+\s*")
_MARKED = re.compile(r"^(\w+)\0\s*")
_TRUE, _FALSE = re.compile(r"(?:^|[\s,])authenticate(?:[\s,]|$)"), re.compile(r"(?:^|[\s,])!\s*authenticate(?:[\s,]|$)")
_EXEMPT = re.compile(r'(?:^|[\s,])exempt_group\s*=\s*"?([^\s,"]+)')
_REGEX = re.compile(r"^(\^.*?\$)(?:\s+(.*))?$")
_CLASS = re.compile(r"\[:\w+:\]")  # of POSIX, which Python's patterns do not know

# Programs that run what their user likes, with almost any arguments: editors and pagers have a command for it.
EDITORS = "vi vim vim.basic vim.tiny nvim nano pico emacs ed ex view rvim less more most man mc"
# Programs that run or write what their arguments say: shells, changers of user, interpreters, runners, writers.
RUNNERS = (
    "sh bash dash ash zsh ksh mksh csh tcsh fish rbash busybox "
    "su sudo runuser setpriv pkexec "
    "python python3 perl ruby node nodejs lua php tclsh expect awk gawk mawk "
    "env find xargs nohup nice timeout script chroot nsenter unshare systemd-run docker "
    "tee dd cp mv chmod chown visudo"
)
# Arguments with which one of those gives a free hand. A list of arguments in sudoers that allows one of them is free.
FREE_ARGUMENTS = ("", "-", "-i", "-l", "-s", "root", "- root", "-l root", "-c id", "-e x", "-f /etc/sudoers", "/tmp/x")
BIN = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/")
# Whoever writes one of these is root with the next login.
KEYS_TO_ROOT = ("/etc/sudoers", "/etc/sudoers.d/x", "/etc/passwd", "/etc/shadow")


def logical_lines(text: str) -> List[str]:
    """Return a sudoers file's lines without comments, continued ones joined."""
    return [line for _first, _last, line in numbered_lines(text)]


def numbered_lines(text: str) -> List[Tuple[int, int, str]]:
    """Return (first, last, logical line): where in text.splitlines() a line of logical_lines() begins and ends."""
    out = []
    held, first = "", 0
    physical = text.splitlines()
    for number, line in enumerate(physical):
        if not _INCLUDE.match(line.strip()):
            line = _without_comment(line)
        if not held:
            first = number
        if line.endswith("\\") and not line.endswith("\\\\"):
            held += line[:-1] + " "
            continue
        line = (held + line).strip()
        held = ""
        if line:
            out.append((first, number, line))
    if held.strip():
        out.append((first, len(physical) - 1, held.strip()))
    return out


def _without_comment(line: str) -> str:
    for match in _COMMENT.finditer(line):
        if line[: match.start()].count('"') % 2 == 0:
            return line[: match.start()]
    return line


def include_of(line: str) -> Optional[Tuple[str, str]]:
    """Return ("include" or "includedir", path) where a logical line includes something, else None."""
    match = _INCLUDE.match(line)
    if not match:
        return None
    return match.group(1), re.sub(r"\\(.)", r"\1", match.group(2).strip().strip('"'))


def is_alias(line: str) -> bool:
    """Tell whether a logical line gives names to things."""
    return _ALIAS.match(line) is not None


def defaults_of(line: str) -> Tuple[str, List[str]]:
    """Return a line of Defaults as (what comes before the settings, the settings). Raises ValueError for another one."""
    match = _DEFAULTS.match(line)
    if not match:
        raise ValueError("a line of Defaults is not understood")
    return line[: match.start(3)].rstrip() if match.group(3) else line, _split(match.group(3) or "", ",")


def parts_of(line: str) -> Tuple[str, str, str]:
    """Return a user specification as (users, hosts, what they may). Raises ValueError for what is none."""
    left, sign, right = line.partition("=")
    words = _WORD.findall(re.sub(r"\s*,\s*", ",", re.sub(r"!\s+", "!", left.strip())))
    if not sign or len(words) != 2:
        raise ValueError("a line is not understood")
    return words[0], words[1], right.strip()


def passwordless(lines: Sequence[str]) -> List[str]:
    """Return who may become root without a password, as named in sudoers: users, %groups, #ids, ALL.

    That is who may run all commands, or one that amounts to it: a shell, an editor, all that is in /bin.

    root itself is left out. Raises ValueError for a line that is not understood: then nothing can be said.
    """
    aliases, rest = _aliases(lines)
    found: List[str] = []
    free: Dict[str, bool] = {}
    specs = []
    for line in rest:
        match = _DEFAULTS.match(line)
        if match:
            _take_defaults(match, aliases, free, found)
        else:
            specs.append(line)
    found.extend(who for who, without in free.items() if without)
    for line in specs:
        found.extend(_spec(line, aliases))
    return sorted({who for who in found if who not in ("root", "#0")})


def _aliases(lines: Sequence[str]) -> Tuple[Dict[str, List[str]], List[str]]:
    aliases: Dict[str, List[str]] = {}
    rest = []
    for line in lines:
        match = _ALIAS.match(line)
        if not match:
            rest.append(line)
            continue
        kind = match.group(1).replace("Cmd", "Cmnd").replace("Cmnnd", "Cmnd")
        for part in _split(_TAG.sub("\\1\0", match.group(2)), ":"):
            name, sign, value = part.partition("=")
            if not sign or not _NAME.match(name.strip()):
                raise ValueError("an alias is not understood")
            aliases[kind + " " + name.strip()] = _split(value, ",")
    return aliases, rest


def _take_defaults(
    match: "re.Match[str]", aliases: Mapping[str, List[str]], free: Dict[str, bool], found: List[str]
) -> None:
    kind, names, settings = match.group(1), match.group(2), match.group(3) or ""
    found.extend("%" + group for group in _EXEMPT.findall(settings))
    if kind is None or kind == "@":
        who = ["ALL"]
    elif kind == ":":
        who = _expand("User", _split(names, ","), aliases)
    elif kind == ">":
        who = ["ALL"] if _is_root(_split(names, ","), aliases) else []
    else:
        who = ["ALL"] if any(map(_amounts_to_all, _expand("Cmnd", _split(names, ","), aliases))) else []
    for name in who:
        if _FALSE.search(settings):
            free[name] = True
        elif _TRUE.search(settings) and kind is None:
            free[name] = False


def _spec(line: str, aliases: Mapping[str, List[str]]) -> List[str]:
    """Return whom one user specification frees."""
    users, _hosts, right = parts_of(line)
    parts = _split(_TAG.sub("\\1\0", right), ":")
    # `user host1 = commands : host2 = commands`
    lists = [parts[0]] + [part.partition("=")[2] for part in parts[1:]]
    if not all(text.strip() for text in lists):
        raise ValueError("a line is not understood")
    if True not in [_frees(text, aliases) for text in lists]:
        return []
    return [who for who in _expand("User", _split(users, ","), aliases) if not who.startswith("!")]


def _frees(commands: str, aliases: Mapping[str, List[str]]) -> bool:
    """Return whether a list of commands has ALL, or what amounts to it, as root without a password. Run-as and tags hold for what follows."""
    as_root, free, found = True, False, False
    for item in _split(commands, ","):
        if item.startswith("("):
            inner, closed, item = item[1:].partition(")")
            if not closed:
                raise ValueError("a run-as list is not understood")
            as_root, item = _is_root(_split(inner.split(":")[0], ","), aliases), item.strip()
        while True:
            option, marked = _OPTION.match(item) or _DIGEST.match(item), _MARKED.match(item)
            if option:
                item = item[option.end() :]
            elif marked:
                free = {"PASSWD": False, "NOPASSWD": True}.get(marked.group(1), free)
                item = item[marked.end() :]
            else:
                break
        if as_root and free and any(map(_amounts_to_all, _expand("Cmnd", [item], aliases))):
            found = True
    return found


def _amounts_to_all(command: str) -> bool:
    """Return whether one command of sudoers gives a free hand. Raises ValueError for a broken regular expression.

    What is taken away again (`!`) does not count: a copy under another name gives it back.
    """
    if command == "ALL":
        return True
    match = _REGEX.match(command)
    path, arguments = match.groups() if match else (command.split(None, 1) + [None])[:2]
    if not path or path.startswith("!"):
        return False
    if path.rpartition("/")[2] == "sudoedit":
        return not arguments or any(_covers(word, key) for word in arguments.split() for key in KEYS_TO_ROOT)
    return _allows(path, EDITORS) or (_allows(path, RUNNERS) and _is_free(arguments))


def _allows(path: str, programs: str) -> bool:
    """Return whether a path, directory, wildcard or regular expression of sudoers has one of the programs."""
    names = programs.split()
    if path[0] != "^" and path[-1] != "/" and not re.search(r"[*?\[]", path):
        name = path.rpartition("/")[2]
        return name in names or re.sub(r"[-\d.]+$", "", name) in names
    return any(_covers(path, folder + name) for folder in BIN for name in names)


def _is_free(arguments: Optional[str]) -> bool:
    if not arguments or arguments == '""':
        return True
    if arguments[0] == "^":
        return any(_covers(arguments, one) for one in FREE_ARGUMENTS)
    # A wildcard in a script's own name also stands for `../`, one after it only for what the script is told.
    return bool(re.search(r"[*?\[]", arguments.split()[0])) or any(
        fnmatch.fnmatchcase(one, arguments) for one in FREE_ARGUMENTS
    )


def _covers(pattern: str, text: str) -> bool:
    """Return whether a regular expression, a directory or a wildcard of sudoers covers a text."""
    if pattern[0] == "^":
        try:
            return re.search(_CLASS.sub(r"\\S", pattern), text) is not None
        except re.error:
            raise ValueError("a regular expression is not understood") from None
    if pattern[-1] == "/":
        return text.rpartition("/")[0] + "/" == pattern
    # A wildcard does not stand for a slash.
    wanted, parts = re.sub(r"\[!?\[:\w+:\][^\]]*\]", "?", pattern).split("/"), text.split("/")
    return len(wanted) == len(parts) and all(map(fnmatch.fnmatchcase, parts, wanted))


def _is_root(names: Sequence[str], aliases: Mapping[str, List[str]]) -> bool:
    """Return whether a run-as list may be root. Plain other users are not; ALL, groups and exclusions may be."""
    plain = [name for name in _expand("Runas", names, aliases) if name]
    return any(name in ("root", "#0", "ALL") or name[0] in "!%+" for name in plain)


def _expand(kind: str, names: Sequence[str], aliases: Mapping[str, List[str]], seen: Tuple[str, ...] = ()) -> List[str]:
    out: List[str] = []
    for name in (name.strip() for name in names):
        inner = aliases.get(kind + " " + name)
        if inner is None and kind == "Runas" and _NAME.match(name):
            inner = aliases.get("User " + name)
        if inner is not None and name not in seen:
            out.extend(_expand(kind, inner, aliases, seen + (name,)))
        else:
            # In a regular expression a backslash is its own.
            out.append(name if name.startswith("^") else re.sub(r"\\(.)", r"\1", name.strip('"')))
    return out


def _split(text: str, separator: str) -> List[str]:
    """Split at a separator that is not escaped, quoted, within brackets or within a regular expression."""
    parts = [""]
    depth, quoted, position = 0, False, 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            parts[-1] += text[position : position + 2]
            position += 2
            continue
        if char == "^" and (not parts[-1] or parts[-1][-1].isspace() or parts[-1][-1] == "\0"):
            end = re.compile(r"\$(?=\s|,|$)").search(text, position)
            if end:
                parts[-1] += text[position : end.end()]
                position = end.end()
                continue
        if char == '"':
            quoted = not quoted
        elif not quoted and char in "()":
            depth += 1 if char == "(" else -1
        if char == separator and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += char
        position += 1
    return [part.strip() for part in parts]
