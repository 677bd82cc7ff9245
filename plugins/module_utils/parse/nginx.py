# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's configuration language: from text to a tree of directives, with `include` resolved through a callback.

It knows the language, not the directives: what one means is the business of deployment/nginx_*.py. A file that nginx would refuse is
refused here as well, since what runs is then not what the file says. https://nginx.org/en/docs/beginners_guide.html#conf_structure
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.parse.lua_block import end_of_lua

LUA = "_by_lua_block"  # a block of another language
DEPTH = 64  # of blocks within blocks, and of files that include files: more is no configuration of a person
MOST_DIRECTIVES = 100000
MOST_FILES = 2000
SPACE = " \t\r\n"
CONTROL = {"t": "\t", "r": "\r", "n": "\n"}

# Returns the (path, text) of the files that an include's pattern names, in nginx's order. Raises what it likes.
Include = Callable[[str], Sequence[Tuple[str, str]]]


class ParseError(ValueError):
    """A text that nginx would not take. The message names the place and never quotes it: it may hold a secret."""


@dataclass(frozen=True)
class Directive:
    """One directive. block: the directives in its braces, none for Lua; None where it ends with a semicolon.

    start, end: where it stands in its file's text, its semicolon or closing brace included; inside: where its block begins, 0 without one.
    """

    name: str
    args: Tuple[str, ...]
    block: Optional[Tuple["Directive", ...]] = None
    file: str = ""
    line: int = 0
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)
    inside: int = field(default=0, compare=False)

    @property
    def first(self) -> str:
        """The first argument, "" where there is none."""
        return self.args[0] if self.args else ""


@dataclass(frozen=True)
class Token:
    """A word, or one of ; { } as a sign of the language (quoted, they are words). start, end: where it stands in the text."""

    text: str
    line: int
    sign: bool = False
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


def tokens(text: str, file: str = "") -> Iterator[Token]:
    """Yield a text's tokens, none of what stands in a block of Lua.

    Raises ParseError for a quote that does not end or is glued to what follows.
    """
    at, end, line = 0, len(text), 1
    name = ""  # of the directive that is being read
    while at < end:
        char = text[at]
        if char in SPACE:
            line += char == "\n"
            at += 1
        elif char == "#":
            at = text.find("\n", at)
            if at < 0:
                return
        elif char in ";{}":
            yield Token(char, line, True, at, at + 1)
            at += 1
            if char == "{" and name.endswith(LUA):
                after = end_of_lua(text, at)
                if after < 0:
                    raise ParseError("%s line %d: a block of Lua does not end" % (file, line))
                line += text.count("\n", at, after)
                at = after
                yield Token("}", line, True, at - 1, at)
            name = ""
        elif char in "'\"":
            word, after = _quoted(text, at, file, line)
            # A closing quote may be glued to a sign only. ")" ends the condition of an `if`.
            if after < end and text[after] not in SPACE + ";{)":
                raise ParseError("%s line %d: text is glued to a closing quote" % (file, line))
            yield Token(word, line, False, at, after)
            line += text.count("\n", at, after)
            at = after
        else:
            word, after = _bare(text, at)
            yield Token(word, line, False, at, after)
            name = name or word
            line += text.count("\n", at, after)
            at = after


def _quoted(text: str, start: int, file: str, line: int) -> Tuple[str, int]:
    """Return the text of the quotes that open at start, and where it goes on behind them."""
    quote, at, end = text[start], start + 1, len(text)
    out: List[str] = []
    while at < end:
        char = text[at]
        if char == quote:
            return "".join(out), at + 1
        piece, at = _escaped(text, at) if char == "\\" else (char, at + 1)
        out.append(piece)
    raise ParseError("%s line %d: a quote does not end" % (file, line))


def _bare(text: str, at: int) -> Tuple[str, int]:
    """Return the word that begins here, and where it ends. Quotes and } within it mean nothing, nor does the { of ${name}."""
    end, out = len(text), []  # type: int, List[str]
    while at < end:
        char = text[at]
        if char in SPACE or char == ";" or (char == "{" and not (out and out[-1] == "$")):
            break
        piece, at = _escaped(text, at) if char == "\\" else (char, at + 1)
        out.append(piece)
    return "".join(out), at


def _escaped(text: str, at: int) -> Tuple[str, int]:
    """Return what a backslash and the character behind it stand for: nginx keeps the backslash of most (\\d of an expression)."""
    follower = text[at + 1 : at + 2]
    if follower in ("'", '"', "\\"):
        return follower, at + 2
    return CONTROL.get(follower, "\\" + follower), at + 2


class _Loader:
    """Reads one configuration: it counts what it has read, so that neither a cycle nor a bomb goes on for ever."""

    def __init__(self, include: Optional[Include]) -> None:
        self._include = include
        self._directives = 0
        self._files = 0
        self._closed = 0  # where the block that was read last ends

    def file(self, text: str, path: str, within: Tuple[str, ...], depth: int) -> Tuple[Directive, ...]:
        self._files += 1
        if path and path in within:
            raise ParseError("%s: includes itself" % path)
        if len(within) > DEPTH or self._files > MOST_FILES:
            raise ParseError("%s: too many files include one another" % path)
        stream = tokens(text, path)
        return self._block(stream, path, within + (path,), depth, False)

    def _block(
        self, stream: Iterator[Token], path: str, within: Tuple[str, ...], depth: int, braced: bool
    ) -> Tuple[Directive, ...]:
        """Return the directives up to the end of the file, or of the braces where braced."""
        if depth > DEPTH:
            raise ParseError("%s: blocks are nested too deeply" % path)
        out: List[Directive] = []
        words: List[Token] = []
        for token in stream:
            if not token.sign:
                words.append(token)
                continue
            where = "%s line %d" % (path, token.line)
            if token.text == "}":
                if words or not braced:
                    raise ParseError("%s: unexpected }" % where)
                self._closed = token.end
                return tuple(out)
            if not words:
                raise ParseError("%s: unexpected %s" % (where, token.text))
            name, args, line = words[0].text, tuple(word.text for word in words[1:]), words[0].line
            start = words[0].start
            words = []
            self._directives += 1
            if self._directives > MOST_DIRECTIVES:
                raise ParseError("%s: too many directives" % path)
            if token.text == "{":
                block = self._block(stream, path, within, depth + 1, True)
                out.append(Directive(name, args, block, path, line, start, self._closed, token.end))
            elif name == "include" and self._include is not None:
                if len(args) != 1:
                    raise ParseError("%s: include takes one file" % where)
                for found, text in self._include(args[0]):
                    out.extend(self.file(text, found, within, depth))
            else:
                out.append(Directive(name, args, None, path, line, start, token.end))
        if words:
            raise ParseError("%s: the last directive does not end" % path)
        if braced:
            raise ParseError("%s: a block does not end" % path)
        return tuple(out)


def load(text: str, path: str = "", include: Optional[Include] = None) -> Tuple[Directive, ...]:
    """Return the directives of a configuration, those of included files in the place of the include.

    path: what the text is called in errors and in Directive.file. Without a callback an include stays a directive. Raises
    ParseError, and whatever the callback raises.
    """
    return _Loader(include).file(text, path, (), 0)


def walk(directives: Sequence[Directive]) -> Iterator[Directive]:
    """Yield every directive, each before those in its block."""
    for item in directives:
        yield item
        if item.block:
            yield from walk(item.block)


def named(directives: Sequence[Directive], name: str) -> List[Directive]:
    """Return the directives of a name that stand right here."""
    return [item for item in directives if item.name == name]
