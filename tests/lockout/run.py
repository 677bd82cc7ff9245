# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that nobody is locked out: inject one fault after the other into guarded runs over real SSH, and measure what becomes of it.

    run.py FOLDER HOST=CONTAINER … [--lean] [--only PATTERN] [--results FILE]

FOLDER: where the operator's key (id_ed25519) is. Ends with 1 where a fault has another end than the table says, where the host is not as
it has to be, or where no login works afterwards.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import List, Optional

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lockout.controller import Controller
from lockout.fault import REFUSED, ROLLED_BACK, SUCCEEDED
from lockout.host import CALLED_OFF, Failed, Host, Moved
from lockout.tables import FAULTS

LONGEST = 150  # seconds of a run, beyond guard_seconds


@dataclass
class Measured:
    """What became of a fault. seconds: from the arming of the guard (from the run's end where it never was) until a fresh login worked."""

    key: str
    host: str
    outcome: str = ""
    seconds: Optional[float] = None
    message: str = ""
    mistakes: List[str] = field(default_factory=list)
    beside: str = ""
    output: str = ""
    changed: List[str] = field(default_factory=list)


def message(output):
    """Return the last error that Ansible printed, in one line."""
    found = re.findall(
        r'^(?:fatal: .*?"msg": "(.*?)(?<!\\)"[,}]|\[ERROR\]: (?:Task failed: )?(?:Action failed: )?(.*(?:(?<=:)\n(?!Origin: ).+)?))$',
        output,
        re.M,
    )
    return next((text for pair in reversed(found) for text in pair if text), "").strip().replace("\n", " ")


def difference(before, after):
    """Return what differs between two states, a line each."""
    return [
        "%s: %s → %s" % (what, _short(before.get(what), after.get(what)), _short(after.get(what), before.get(what)))
        for what in sorted(set(before) | set(after))
        if before.get(what) != after.get(what)
    ]


def _short(text, other):
    if text is None:
        return "absent"
    lines = [line for line in text.splitlines() if line not in (other or "").splitlines()]
    return " | ".join(lines)[:300] or "as before"


class Attempt:
    """One fault on one host."""

    def __init__(self, host, fault):
        self.host = host
        self.fault = fault
        self.measured = Measured(fault.key, host.name)
        self.beside = ""
        self.moved = False

    def run(self):
        """Inject the fault, run, measure; leave the host as it was kept."""
        try:
            self._attempt()
        except (Failed, subprocess.SubprocessError) as error:
            self.measured.mistakes.append("the fault could not be tried: %s" % error)
        with contextlib.suppress(Failed):
            self.host.sh(self.fault.heals)
        with contextlib.suppress(Failed):
            self.host.sh(self.fault.mends)
        self.host.back()
        if not self.measured.outcome:
            self.measured.outcome = "nothing"
        return self.measured

    def _attempt(self):
        host, fault, measured = self.host, self.fault, self.measured
        host.sh(fault.ready)
        host.learn(fault.knows, fault.client)
        controller = Controller(host, fault.user, fault.sockets)
        try:
            if fault.first:
                self._first(controller)
            controller.connect()
            host.sh(fault.breaks)
            before = host.state()
            since = time.time()
            watcher = host.watch(fault.at, fault.during)
            try:
                process = controller.start(fault.run, fault.options, fault.guard)
                beside = threading.Thread(target=self._from_outside, args=(controller, process, watcher))
                beside.start()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LONGEST + fault.guard)
                if process.poll() is None:
                    measured.mistakes.append("the run did not end")
                    controller.kill(process)
                beside.join()
                ended = time.time()
            finally:
                said = host.call_off(watcher)
            if watcher.returncode not in (0, CALLED_OFF):
                measured.mistakes.append("the fault failed: %s" % said[-300:])
            measured.output = process.path.read_text(encoding="utf-8", errors="replace")
            host.sh(fault.heals)
            self._measure(before, since, process.returncode, ended)
        finally:
            controller.close()

    def _first(self, controller):
        run, options = self.fault.first
        process = controller.start(run, options, 30)
        if process.wait(LONGEST):
            raise Failed("the run before it failed: %s" % process.path.read_text(encoding="utf-8")[-1500:])
        controller.disconnect()

    def _from_outside(self, controller, process, watcher):
        """What happens outside the host while the run goes on."""
        what = self.fault.from_outside
        while watcher.poll() is None and process.poll() is None:
            time.sleep(0.02)
        if watcher.poll() is None:
            if self.fault.expected != REFUSED and (what or self.fault.during):
                self.measured.mistakes.append("the run had ended before the fault")
        elif what == "kill":
            controller.kill(process)
        elif what == "drop":
            controller.disconnect()
        elif what == "cut":
            with self.host.unplugged():
                time.sleep(self.fault.away)
        elif what == "reboot":
            try:
                self.host.reboot()
            except Moved as error:
                self.moved = True
                self.measured.mistakes.append(str(error))
        elif what == "guess":
            with concurrent.futures.ThreadPoolExecutor(4) as guessers:
                list(guessers.map(self.host.lets_in, ["root"] * 8))
        elif what == "beside":
            second = Controller(self.host, self.fault.user)
            try:
                twin = second.start(self.fault.beside, self.fault.options, self.fault.guard)
                twin.wait(LONGEST)
                self.beside = twin.path.read_text(encoding="utf-8", errors="replace")
                if not twin.returncode:
                    self.measured.mistakes.append("the run beside it was not refused")
            finally:
                second.close()

    def _measure(self, before, since, code, ended):
        host, fault, measured = self.host, self.fault, self.measured
        # The new port only where the change may stay: a run that was killed never tells.
        port = fault.port if code == 0 else 22
        if not fault.mends:
            back_in = host.lets_in_within(fault.guard + 60, port=port)
        if not host.at_rest(fault.guard + 60):
            measured.mistakes.append("the guard waits for ever")
        measured.changed = difference(before, host.state())
        if fault.mends:
            host.sh(fault.mends)
            back_in = host.lets_in_within(fault.guard + 60, port=port)
        armed, _back = host.armed(since)
        if back_in is None:
            measured.mistakes.append("no login works")
        else:
            measured.seconds = round(back_in - (armed or ended), 1)
        if code == 0:
            measured.outcome = SUCCEEDED
        else:
            measured.outcome = ROLLED_BACK if armed else REFUSED
            measured.mistakes += ["not as before: %s" % line for line in measured.changed]
        measured.message = message(measured.output)
        measured.beside = message(self.beside)
        if measured.outcome != fault.expected:
            measured.mistakes.append("%s, where %s was expected" % (measured.outcome, fault.expected))
        for wanted, text in ((fault.says, measured.output), (fault.beside_says, self.beside)):
            if wanted and not re.search(wanted, text):
                measured.mistakes.append("no word of `%s`, but: %s" % (wanted, message(text) or text[-500:]))
        if "Traceback" in measured.output + self.beside:
            measured.mistakes.append("a traceback")
        if fault.holds:
            try:
                host.sh(fault.holds)
            except Failed as error:
                measured.mistakes.append("does not hold: %s" % error)


def chosen(lean=False, only="*"):
    """Return the faults to try."""
    return [item for item in FAULTS if (item.lean or not lean) and fnmatch.fnmatchcase(item.key, only)]


def shares(faults, hosts):
    """Return {host's name: its faults}. hosts: {name: kind}. A fault without a wish goes where the fewest are."""
    out = {name: [] for name in hosts}
    for fault in sorted(faults, key=lambda item: item.host is None):
        fitting = [name for name, kind in hosts.items() if fault.host in (None, kind)]
        out[min(fitting, key=lambda name: sum(item.guard + 20 for item in out[name]))].append(fault)
    return out


class Attempts:
    """All faults on some hosts, one thread a host. A context: it begins with it, and its end waits for the threads.

    show: called with each result as it comes.
    """

    def __init__(self, hosts, faults, show=lambda measured, took: None):
        self.hosts = hosts
        self.share = shares(faults, {host.name: host.name[-2:] for host in hosts})
        self.show = show
        self.futures = {fault.key: concurrent.futures.Future() for fault in faults}
        self.left = {}
        self.threads = [threading.Thread(target=self._work, args=(host,)) for host in hosts]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self._join()

    def result(self, fault):
        """Return what became of a fault; wait for it."""
        return self.futures[fault.key].result()

    def left_behind(self):
        """Return {host: what is not as it was in the beginning}."""
        self._join()
        return self.left

    def write(self, path):
        """Write all results as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        results = [vars(future.result()) for future in self.futures.values() if not future.exception()]
        path.write_text(json.dumps({"date": time.strftime("%Y-%m-%d"), "results": results}, indent=1), encoding="utf-8")

    def _work(self, host):
        faults = list(self.share[host.name])
        try:
            host.install()
            # What it is now is what it always goes back to.
            host.keep()
            before = host.state()
            while faults:
                started = time.monotonic()
                for _ in range(3):
                    attempt = Attempt(host, faults[0])
                    found = attempt.run()
                    if not attempt.moved:
                        break
                self.futures[faults.pop(0).key].set_result(found)
                self.show(found, time.monotonic() - started)
            left = difference(before, host.state())
            if left:
                self.left[host.name] = left
        except BaseException as error:
            for fault in faults:
                self.futures[fault.key].set_exception(error)
            self.left[host.name] = ["it could not be tested to the end: %s" % error]

    def _join(self):
        for thread in self.threads:
            thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument(
        "hosts", nargs="+", metavar="HOST=CONTAINER", help="the name of a host ends with its kind: lockout12"
    )
    parser.add_argument("--lean", action="store_true", help="only the faults that stand for their kind")
    parser.add_argument("--only", default="*", help="pattern of `run: name`")
    parser.add_argument("--results", help="file for the results, JSON")
    parser.add_argument("--verbose", action="store_true", help="show what the runs printed")
    given = parser.parse_args()
    faults = chosen(given.lean, given.only)

    def show(found, took):
        word = "FAILED" if found.mistakes else "ok    "
        login = "" if found.seconds is None else ", login after %.1f s" % found.seconds
        lines = ["%s %5.1f s  %s: %s%s" % (word, took, found.key, found.outcome, login)]
        lines += ["                  " + text for text in [found.message, *found.mistakes] if text]
        lines += [found.output] if given.verbose else []
        print("\n".join(lines), flush=True)

    with Attempts([Host(*item.split("=", 1), given.folder) for item in given.hosts], faults, show) as attempts:
        left = attempts.left_behind()
    if given.results:
        attempts.write(pathlib.Path(given.results))
    for name, lines in left.items():
        print("FAILED          %s is not as before: %s" % (name, lines))
    failed = sum(1 for fault in faults if attempts.futures[fault.key].exception() or attempts.result(fault).mistakes)
    print("%d passed, %d failed" % (len(faults) - failed, failed + len(left)))
    sys.exit(1 if failed or left or not faults else 0)


if __name__ == "__main__":
    main()
