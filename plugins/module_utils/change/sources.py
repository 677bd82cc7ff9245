# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the audit's collectors from a module that changes things: one after the other, and only those that are asked for."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Optional

from ansible_collections.nself.prod.plugins.module_utils.audit.collector import Collector, Need, Options, attempt
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing


class Sources(Need):
    """What the collectors' need() is to them: each runs when it is first asked for, and once. known: what need not be asked for."""

    def __init__(
        self, host: Any, options: Options, collectors: Iterable[Collector], known: Optional[Mapping[str, Any]] = None
    ) -> None:
        super().__init__({}, options)
        self._host = host
        self._collectors = {collector.name: collector for collector in collectors}
        self._known: Dict[str, Any] = dict(known or {})

    def __call__(self, name: str) -> Any:
        """Return what a collector reads. Raises Missing where that cannot be read."""
        if name not in self._known:
            collector = self._collectors[name]
            self._known[name] = attempt(lambda: collector.run(self._host.within(collector.deadline), self))
        value = self._known[name]
        if isinstance(value, Unread):
            raise Missing(name, value.reason, value.detail)
        return value
