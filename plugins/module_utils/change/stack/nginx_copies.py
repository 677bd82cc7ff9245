# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx's files without what weakens the http block, everything else as it stands: as copies, or in their place.

Files that have to be there anyway get a copy, which outlives a build. A copy of a site that a later build removes would keep nginx from
starting, so another file is changed where it stands: a build that writes it anew takes the weakness away together with the mending.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.change.tables.nginx import (
    BY_NAME,
    HEADERS,
    HEADERS_PATTERN,
    MOUNT,
    SINGLES,
)
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_locations import pattern_of
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import servers_of, sites_of
from ansible_collections.nself.prod.plugins.module_utils.parse.nginx import Directive, named, walk

HTTP_FILE = MOUNT + "/http.conf"
INNER = ("server", "location", "if", "limit_except")
LOGS = "/var/log/nginx/"
STREAMS = {"access_log": "/dev/stdout", "error_log": "/dev/stderr"}
FOR_GOOD = {"302": "301", "303": "301", "307": "308"}  # a redirect that browsers ask for again each time
TO_HTTPS = " return 301 https://$host$request_uri; "


class Copies:
    """The copies. configuration: a nginx_files.Configuration; singles: {directive: value wanted}; explicit: those that somebody asked for,
    and headers that somebody asked for.

    in_place: whether files without a copy may be changed; left: what stays, for people; missing: directives that http does not have yet;
    kept: headers of http that are somebody's own and good.
    """

    def __init__(
        self, configuration: Any, singles: Mapping[str, str], explicit: Sequence[str], in_place: bool = True
    ) -> None:
        self._configuration = configuration
        self._in_place = in_place
        self._explicit = frozenset(explicit)
        self._edits: Dict[str, Dict[Tuple[int, int], str]] = {}
        self.left: List[str] = []
        self.missing: Dict[str, str] = {}
        self.kept: Dict[str, Directive] = {}
        self._include_ours()
        self._single(singles)
        self._http_headers()
        held: Dict[str, str] = {}
        for name, item in self.kept.items():
            held[name] = self._written(item)
        for server in servers_of(configuration.tree):
            self._below(server, singles)
            self._headers(server, held)
        self._redirects()

    # -- what is changed ---------------------------------------------------------------------------------------------------

    def rates(self, wanted: Mapping[str, str]) -> List[str]:
        """Set the rates of zones that there are; return the names that are none."""
        zones = {_part(item, "zone=").partition(":")[0]: item for item in named(self._http, "limit_req_zone")}
        for name, rate in sorted(wanted.items()):
            item = zones.get(name)
            if item is None or _part(item, "rate=") == rate:
                continue
            text = self._text(item)
            if not self._edit(item, text.replace("rate=" + _part(item, "rate="), "rate=" + rate)):
                self._tell(item, "set rate=%s there" % rate)
        return sorted(set(wanted) - set(zones))

    def log_twice(self) -> None:
        """Have what goes to nginx's log files go to the container's output as well, since they become real files."""
        for name, stream in STREAMS.items():
            for level in (self._configuration.tree, self._http):
                found = named(level, name)
                if any(item.first in (stream, "stderr") for item in found):
                    continue
                for item in [item for item in found if item.first.startswith(LOGS)][:1]:
                    text = self._text(item)
                    self._edit(item, text + "\n    " + text.replace(item.first, stream, 1))

    def _include_ours(self) -> None:
        block = next(item for item in self._configuration.tree if item.name == "http")
        line = "\n    # Made by nself.prod\n    include %s;\n" % HTTP_FILE
        # At the top: what it sets is asked for by the first map.
        self._put(block.file, block.inside, block.inside, line)

    def _single(self, singles: Mapping[str, str]) -> None:
        for single in SINGLES:
            if single.name not in singles:
                continue
            wanted = tuple(singles[single.name].split())
            found = named(self._http, single.name)
            if not found and not single.silent:
                self.missing[single.name] = singles[single.name]
            for item in found:
                good = item.args == wanted or (single.name not in self._explicit and single.good(item.args, wanted))
                line = "%s %s;" % (single.name, singles[single.name])
                if not good and not self._edit(item, line):
                    self._tell(item, "it should be `%s`" % line)

    def _http_headers(self) -> None:
        """Keep somebody's own good headers of http, and take the others away: ours come in their place."""
        for item in named(self._http, "add_header"):
            header = BY_NAME.get(item.first.lower())
            if header is None or len(item.args) < 2:
                continue
            if header.name not in self._explicit and "always" in item.args[2:] and header.good(item.args[1]):
                self.kept[header.name] = item
            elif not self._edit(item, ""):
                self._tell(item, "remove it, or send a better one with `always`")
                self.kept[header.name] = item

    def _below(self, server: Directive, singles: Mapping[str, str]) -> None:
        """Take out of a server, and of its locations, what undoes a directive of http."""
        for item in walk(server.block or ()):
            single = table.single(item.name)
            if single is None or not single.below or single.name not in singles:
                continue
            wanted = tuple(singles[single.name].split())
            if item.args != wanted and not single.good(item.args, wanted) and not self._edit(item, ""):
                self._tell(item, "remove it, so that `%s %s` of http holds" % (single.name, singles[single.name]))

    def _headers(self, block: Directive, held: Mapping[str, str]) -> None:
        """Give a block that adds headers of its own the security headers as well, which it would lose. held: somebody's own from further out."""
        body = block.block or ()
        own = [item for item in named(body, "add_header") if len(item.args) >= 2]
        mine: Dict[str, str] = dict(held)
        stays: List[Directive] = []
        lost = False
        for item in own:
            header = BY_NAME.get(item.first.lower())
            if item.args[1].startswith("$" + table.PREFIX):
                stays.append(item)  # somebody included ours already
            elif header is not None and self._written(item) == held.get(header.name):
                stays.append(item)  # what holds in http, said once more
            elif header is not None and _is_own(item) and header.good(item.args[1]):
                mine[header.name] = self._written(item)
                stays.append(item)
            elif header is not None:
                lost = not self._edit(item, "") or lost
            elif item.first.lower() == "content-type" and not named(body, "default_type"):
                # A header beside the real one: what was meant is the type of what `return` says.
                lost = not self._edit(item, "default_type %s;" % _quoted(item.args[1])) or lost
            else:
                stays.append(item)
        there = {BY_NAME[item.first.lower()].name for item in stays if item.first.lower() in BY_NAME}
        lines = _lines(mine, there, self.kept)
        if stays and lines and not lost:
            last = stays[-1]
            lost = not self._put(last.file, last.end, last.end, "".join(self._indent(last) + line for line in lines))
        if lost:
            where = stays[0] if stays else own[0]
            self._tell(
                where, "its add_header lines drop those of http; add `include %s;` beside them" % HEADERS_PATTERN
            )
        for item in body:
            if item.name in INNER and item.block is not None:
                self._headers(item, mine)

    def _redirects(self) -> None:
        """Let every server that speaks in clear lead to https for good."""
        sites = sites_of(self._configuration.tree)
        secure = {name for site in sites if site.tls for name in site.names}
        for server, site in zip(servers_of(self._configuration.tree), sites):
            if site.tls or not any(listen.port == 80 for listen in site.listens):
                continue
            body = server.block or ()
            roots = [
                item for item in named(body, "location") if item.args and pattern_of(item) in (("", "/"), ("^~", "/"))
            ]
            said = [item for block in [body] + [root.block or () for root in roots] for item in named(block, "return")]
            for item in said:
                lasting = FOR_GOOD.get(item.first)
                if lasting and item.args[-1].startswith("https://"):
                    line = "return %s %s;" % (lasting, _quoted(item.args[-1]))
                    if not self._edit(item, line):
                        self._tell(item, "it should be `%s`" % line)
            if said or any("https://" in "".join(item.args) for item in named(body, "rewrite")):
                continue
            known = bool(secure) and set(site.names) <= secure
            if not (known and roots and self._instead(roots[0], TO_HTTPS)):
                self._tell(
                    server,
                    "it serves %s in clear; let it `return 301 https://$host$request_uri;`%s"
                    % (
                        ", ".join(site.names) or "every other name",
                        "" if known else " once a site with TLS has the name",
                    ),
                )

    # -- edits -----------------------------------------------------------------------------------------------------------

    @property
    def _http(self) -> Sequence[Directive]:
        found: Sequence[Directive] = self._configuration.http
        return found

    def mended(self) -> Dict[str, str]:
        """Return {path in the container: new text} of the files that are changed in their place."""
        return {path: self._new(path) for path in sorted(self._edits) if not self._has_copy(path)}

    def texts(self) -> Dict[str, str]:
        """Return {path in the container: text of its copy}."""
        out = {}
        for path in sorted(filter(self._has_copy, self._edits)):
            digest = hashlib.sha256(self._configuration.texts[path].encode("utf-8")).hexdigest()
            head = "# Made by nself.prod from %s, sha256 %s.\n# What is changed there later comes into force with the next run of the role nginx.\n"
            out[path] = head % (self._configuration.shown(path), digest) + self._new(path)
        return out

    def holds(self, path: str) -> bool:
        """Tell whether what stands in a file does not undo http any more."""
        return self._has_copy(path) or (self._in_place and bool(self._configuration.editable(path)))

    def _new(self, path: str) -> str:
        text: str = self._configuration.texts[path]
        for (start, end), new in sorted(self._edits[path].items(), reverse=True):
            text = _replaced(text, start, end, new)
        return text

    def _has_copy(self, path: str) -> bool:
        return path in self._configuration.fixed and path.startswith(table.HOME + "/")

    def _edit(self, item: Directive, new: str) -> bool:
        return self._put(item.file, item.start, item.end, new)

    def _instead(self, block: Directive, new: str) -> bool:
        """Put something in the place of all that stands in a block."""
        edits = self._edits.get(block.file, {})
        for start, end in list(edits):
            if block.inside <= start and end < block.end:
                del edits[(start, end)]
        return self._put(block.file, block.inside, block.end - 1, new)

    def _put(self, path: str, start: int, end: int, new: str) -> bool:
        """Note an edit; return whether the file is one that may be changed."""
        if not self.holds(path):
            return False
        # A file that several others include is read several times, and edited once.
        self._edits.setdefault(path, {})[(start, end)] = new
        return True

    def _text(self, item: Directive) -> str:
        text: str = self._configuration.texts[item.file][item.start : item.end]
        return text

    def _indent(self, item: Directive) -> str:
        """Return what begins a line below a directive."""
        text = self._configuration.texts[item.file]
        before = text[text.rfind("\n", 0, item.start) + 1 : item.start]
        return " " if before.strip() else "\n" + before

    def _written(self, item: Directive) -> str:
        return self._text(item).strip()

    def _tell(self, item: Directive, what: str) -> None:
        line = "%s: %s" % (self._configuration.place(item), what)
        if line not in self.left:
            self.left.append(line)


def _is_own(item: Directive) -> bool:
    """Tell whether somebody chose this value, rather than nself's generator."""
    return item.args[1] not in table.GENERATED.get(item.first.lower(), ())


def _lines(held: Mapping[str, str], there: Any, kept: Any) -> List[str]:
    """Return the lines by which a block gets all security headers but those that it has.

    held: somebody's own from further out, by name; kept: those of them that stand in http, which are not among ours.
    """
    wanted = [header for header in HEADERS if header.name not in there]
    if not there and set(held) <= set(kept):
        return [held[header.name] for header in wanted if header.name in held] + ["include %s;" % HEADERS_PATTERN]
    return [held.get(header.name) or "include %s;" % table.pattern_of(header) for header in wanted]


def _part(item: Directive, prefix: str) -> str:
    return next((word[len(prefix) :] for word in item.args if word.startswith(prefix)), "")


def _quoted(text: str) -> str:
    return text if text and not any(char in text for char in " \t\"';{}#") else '"%s"' % text.replace('"', "")


def _replaced(text: str, start: int, end: int, new: str) -> str:
    """Return text with a piece replaced; a line that holds nothing any more goes."""
    if not new:
        first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        last = len(text) if last < 0 else last
        if not text[first:start].strip() and not text[end:last].strip():
            return text[:first] + text[last + 1 :]
    return text[:start] + new + text[end:]
