# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that a stack is never left broken: inject one fault after the other into runs of harden.yml, and look what becomes of the stack.

    run.py FOLDER HOST=CONTAINER [--lean] [--only PATTERN] [--results FILE]

FOLDER: where the operator's key (id_ed25519) is. Ends with 1 where a fault has another end than the table says, where the project's files
or services are not what they were, where the stack does not work, or where the next run without the fault does not succeed.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import pathlib
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import List

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lockout.controller import ROOT, Controller
from lockout.host import CALLED_OFF, Failed, Host
from lockout.run import message

from stackfaults.fault import MADE, NEXT_RUN, REFUSED, TAKEN_BACK
from stackfaults.table import FAULTS

HERE = pathlib.Path(__file__).resolve().parent
LONGEST = 600  # seconds of a run
NO_ANSWER = "No start of json char found"  # what Ansible says where a module ended without an answer
# What every run is told: the audits before and after are not what is tried here, so they close no gate.
OPTIONS = {"nself_harden_fail_on": "none", "nself_check_policy": {"nopasswd_users": ["deploy"]}}


class StackHost(Host):
    """A test host with a deployment."""

    place = "/root/stackfaults-words"
    words = {
        "prelude.sh": HERE / "prelude.sh",
        "state.py": HERE / "state.py",
        "lockout.sh": HERE.parent / "lockout/prelude.sh",
        "start.sh": ROOT / "molecule/stack/files/start.sh",
    }

    def unwell(self):
        """Return why services are not well; waits for those that are starting."""
        return [
            line for line in self._docker("python3 %s/state.py health" % self.place, seconds=200).splitlines() if line
        ]

    def state(self):
        return json.loads(self._docker("python3 %s/state.py show" % self.place))

    def back(self):
        """Bring the project back, and start it as nself does."""
        self._docker("python3 %s/state.py back" % self.place, seconds=400)

    def gone_and_come(self):
        """Take the power away and give it back; wait until the host has booted and its engine answers."""
        self.reboot()
        self.sh("wait_for 120 booted\nwait_for 120 docker info", 260)


@dataclass
class Measured:
    """What became of a fault. seconds: from the end of the run until every service was well."""

    name: str
    outcome: str = ""
    message: str = ""
    seconds: float = 0.0
    took: float = 0.0
    mistakes: List[str] = field(default_factory=list)
    beside: str = ""
    output: str = ""
    changed: List[str] = field(default_factory=list)


def difference(before, after):
    """Return what differs between two states, a line each."""
    return [
        "%s: %s → %s" % (what, before.get(what, "absent"), after.get(what, "absent"))
        for what in sorted(set(before) | set(after))
        if before.get(what) != after.get(what)
    ]


def refusal(output):
    """Return what the change of the deployment said, without what the report says of it later."""
    said = message(output.split("PLAY [Report]")[0])
    # A module that was killed says nothing; then the report does.
    found = re.search(r"it was ended in the middle and[^|\n]*(?:\n +[^|\n]+)*", output) if NO_ANSWER in said else None
    return " ".join(found.group().split()) if found else said


class Attempt:
    """One fault on the host."""

    def __init__(self, host, fault):
        self.host = host
        self.fault = fault
        self.measured = Measured(fault.name)

    def run(self):
        """Inject the fault, run, look, run again without it; leave the stack as it was kept."""
        started = time.monotonic()
        try:
            self._attempt()
        except (Failed, subprocess.SubprocessError) as error:
            self.measured.mistakes.append("the fault could not be tried: %s" % error)
            for script in (self.fault.heals, self.fault.mends):
                with contextlib.suppress(Failed):
                    self.host.sh(script)
        try:
            self.host.back()
        except Failed as error:
            self.measured.mistakes.append("the stack could not be brought back: %s" % error)
        self.measured.took = round(time.monotonic() - started, 1)
        return self.measured

    def play(self, controller, options):
        words = ["--tags", ",".join(self.fault.tags)]
        return controller.play(ROOT / "playbooks/harden.yml", dict(OPTIONS, **options), *words)

    def _attempt(self):
        host, fault, measured = self.host, self.fault, self.measured
        host.learn()
        controller = Controller(host)
        try:
            host.sh("ids >/root/stackfaults-ids")
            host.sh(fault.breaks, 200)
            if not fault.down:
                host.sh("ids >/root/stackfaults-ids")
            before = host.kept if fault.down else host.state()
            controller.connect()
            watcher = host.watch(fault.at, fault.during)
            try:
                process = self.play(controller, fault.options)
                self._meanwhile(controller, process, watcher)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LONGEST)
                if process.poll() is None:
                    measured.mistakes.append("the run did not end")
                    controller.kill(process)
            finally:
                said = host.call_off(watcher)
            if watcher.returncode not in (0, CALLED_OFF):
                measured.mistakes.append("the fault failed: %s" % said[-300:])
            measured.output = process.path.read_text(encoding="utf-8", errors="replace")
            host.sh(fault.heals, 200)
            self._look(before, process.returncode)
            host.sh(fault.mends, 200)
            self._again(controller)
        finally:
            controller.close()

    def _meanwhile(self, controller, process, watcher):
        """What happens outside the host while the run goes on."""
        what = self.fault.from_outside
        while watcher.poll() is None and process.poll() is None:
            time.sleep(0.05)
        if watcher.poll() is None:
            if self.fault.during or what:
                self.measured.mistakes.append("the run had ended before the fault")
        elif what == "kill":
            controller.kill(process)
            self.host.sh("wait_for 300 at_rest", 320)
        elif what == "reboot":
            self.host.gone_and_come()
            # Its connection is gone; nobody has told the controller.
            controller.kill(process)
        elif what == "beside":
            second = Controller(self.host)
            try:
                twin = self.play(second, self.fault.options)
                twin.wait(LONGEST)
                text = twin.path.read_text(encoding="utf-8", errors="replace")
                self.measured.beside = refusal(text)
                if not twin.returncode:
                    self.measured.mistakes.append("the run beside it was not refused")
                if not re.search(self.fault.beside_says, text):
                    self.measured.mistakes.append("no word of `%s`, but: %s" % (self.fault.beside_says, text[-500:]))
            finally:
                second.close()

    def _look(self, before, code):
        """Judge the stack after the run."""
        fault, measured, host = self.fault, self.measured, self.host
        ended = time.monotonic()
        unwell = host.unwell()
        measured.seconds = round(time.monotonic() - ended, 1)
        measured.changed = difference(before, host.state())
        measured.message = refusal(measured.output)
        # What happens in the middle happens once a container has gone.
        touched = fault.during or fault.from_outside or host.sh("recreating && echo yes || :").strip()
        if fault.expected == NEXT_RUN:
            # It is for the next run to mend; what is asked of it is asked there.
            measured.outcome = NEXT_RUN
        elif code == 0 or (fault.from_outside == "kill" and measured.changed):
            # Who kills the controller does not hear what the host then does.
            measured.outcome = MADE
        else:
            measured.outcome = TAKEN_BACK if touched else REFUSED
            measured.mistakes += ["not as before: %s" % line for line in measured.changed]
        if measured.outcome != fault.expected and not (fault.expected == TAKEN_BACK and measured.outcome == REFUSED):
            measured.mistakes.append("%s, where %s was expected" % (measured.outcome, fault.expected))
        if fault.expected != NEXT_RUN:
            measured.mistakes += ["not well: %s" % line for line in unwell]
            self._works()
        if fault.says and not re.search(fault.says, measured.output):
            measured.mistakes.append(
                "no word of `%s`, but: %s" % (fault.says, measured.message or measured.output[-800:])
            )
        if "Traceback" in measured.output:
            measured.mistakes.append("a traceback")
        try:
            host.sh(fault.holds, 120)
        except Failed as error:
            measured.mistakes.append("does not hold: %s" % error)

    def _works(self):
        try:
            self.host.sh("wait_for 20 works", 60)
        except Failed as error:
            self.measured.mistakes.append("the stack does not work: %s" % error)

    def _again(self, controller):
        """The next run, with nothing wrong any more, has to succeed, and to leave a stack that works."""
        controller.disconnect()
        process = self.play(controller, {})
        try:
            code = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            controller.kill(process)
            self.measured.mistakes.append("the next run did not end")
            return
        text = process.path.read_text(encoding="utf-8", errors="replace")
        if code:
            self.measured.mistakes.append("the next run failed: %s" % (refusal(text) or text[-800:]))
        self.measured.mistakes += ["not well after the next run: %s" % line for line in self.host.unwell()]
        self._works()


def chosen(lean=False, only="*"):
    """Return the faults to try."""
    return [item for item in FAULTS if (item.lean or not lean) and fnmatch.fnmatchcase(item.name, only)]


def attempts(host, faults, show=lambda measured: None):
    """Try the faults one after the other; return what became of each."""
    host.install()
    host.keep()
    host.kept = host.state()
    out = []
    for fault in faults:
        out.append(Attempt(host, fault).run())
        show(out[-1])
    left = difference(host.kept, host.state())
    if left:
        out.append(Measured("the host in the end", mistakes=["not as before: %s" % line for line in left]))
        show(out[-1])
    return out


def write(path, results):
    """Write the results as JSON; those of an earlier run stay for what was not tried now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []
    found = {item["name"]: item for item in earlier}
    found.update({item.name: vars(item) for item in results})
    text = json.dumps({"date": time.strftime("%Y-%m-%d"), "results": list(found.values())}, indent=1)
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("host", metavar="HOST=CONTAINER")
    parser.add_argument("--lean", action="store_true", help="only the faults that stand for their kind")
    parser.add_argument("--only", default="*", help="pattern of names")
    parser.add_argument("--results", help="file for the results, JSON")
    parser.add_argument("--verbose", action="store_true", help="show the output of the runs that have another end")
    given = parser.parse_args()
    name, _equals, container = given.host.partition("=")

    results = []

    def show(found):
        results.append(found)
        if given.results:
            write(pathlib.Path(given.results), results)
        state = "FAILED" if found.mistakes else "ok    "
        print(
            "%s %5.1f s  %s: %s (%s)" % (state, found.took, found.name, found.outcome, found.message[:300]), flush=True
        )
        for mistake in found.mistakes:
            print("                  " + mistake, flush=True)
        if found.mistakes and given.verbose:
            print(found.output, flush=True)

    results = attempts(StackHost(name, container, given.folder), chosen(given.lean, given.only), show)
    failed = sum(1 for item in results if item.mistakes)
    print("%d as they have to be, %d not" % (len(results) - failed, failed))
    sys.exit(1 if failed or not results else 0)


if __name__ == "__main__":
    main()
