# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do several things of one collector at the same time, in threads that nobody waits for when the module ends.

Python joins the threads of its own ThreadPoolExecutor before a process exits: one that hangs in a stat() of a dead network file system
would keep the module from ending long after its collector was given up.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import Any, Callable, Iterable, List, Optional, Tuple

Task = Tuple["Future[Any]", Callable[[], Any]]


class Pool:
    """So many threads at most. Everything given to it must be awaited before its `with` block ends."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._started = 0
        self._tasks: "queue.SimpleQueue[Optional[Task]]" = queue.SimpleQueue()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *unused: object) -> None:
        for _number in range(self._started):
            self._tasks.put(None)

    def submit(self, work: Callable[..., Any], *args: Any) -> "Future[Any]":
        """Return the future of work(*args)."""
        future: "Future[Any]" = Future()
        self._tasks.put((future, lambda: work(*args)))
        if self._started < self._workers:
            self._started += 1
            threading.Thread(target=self._run, daemon=True).start()
        return future

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> List[Any]:
        """Return work(item) of every item, in their order. Raises what the first of them to fail raised."""
        return [future.result() for future in [self.submit(work, item) for item in items]]

    def _run(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None:
                return
            future, work = task
            try:
                future.set_result(work())
            except BaseException as error:  # pylint: disable=broad-except  # whoever awaits it meets it
                future.set_exception(error)
