# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The truth harness: break one thing on a live host, and the audit has to flip exactly the checks that are about it.

    run.py CONTAINER [--lean] [--only PATTERN] [--options JSON] [--results FILE]

Ends with 1 where a check flips that should not, or does not that should, or where the host is not as before in the end.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from truth.tables import MUTATIONS
from truth.target import Failed, Target


def difference(before, after):
    """Return {check: status} of the checks that turned."""
    return {check: after[check][0] for check in after if before[check][0] != after[check][0]}


def compare(expected, turned, after):
    """Return what is wrong with the checks that turned, a line each."""
    out = []
    for check in sorted(set(expected) | set(turned)):
        if expected.get(check) != turned.get(check):
            out.append(
                "%s should %s, but is %s: %s"
                % (
                    check,
                    "be " + expected[check] if check in expected else "not turn",
                    after[check][0],
                    after[check][1],
                )
            )
    return out


def attempt(target, mutation, baseline):
    """Break, audit, mend; return the mistakes."""
    mistakes = []
    try:
        target.sh(mutation.breaks)
        after = target.calm_audit()
        mistakes += compare(dict(mutation.flips), difference(baseline, after), after)
    except Failed as error:
        mistakes.append("breaking it failed: %s" % error)
    try:
        target.sh(mutation.mends)
    except Failed as error:
        mistakes.append("mending it failed: %s" % error)
    return mistakes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("container")
    parser.add_argument("--lean", action="store_true", help="only the mutations that stand for their kind")
    parser.add_argument("--only", default="*", help="pattern of names or of checks")
    parser.add_argument("--options", default="{}", help="JSON: options of the audit")
    parser.add_argument("--results", help="file for the results, JSON")
    given = parser.parse_args()
    target = Target(given.container, json.loads(given.options))
    target.install()
    chosen = [
        item
        for item in MUTATIONS
        if (item.lean or not given.lean)
        and any(fnmatch.fnmatchcase(name, given.only) for name in (item.name, *item.flips))
    ]
    target.audit()  # compiles it on the host
    baseline = target.calm_audit()
    results = []
    for item in chosen:
        started = time.monotonic()
        mistakes = attempt(target, item, baseline)
        if mistakes:
            # What was left behind must not be held against the next one.
            left = difference(baseline, target.calm_audit())
            mistakes += ["left behind: %s" % ", ".join(sorted(left))] if left else []
        results.append({"name": item.name, "flips": dict(item.flips), "mistakes": mistakes})
        print(
            "%s %5.1f s  %s" % ("FAILED" if mistakes else "ok    ", time.monotonic() - started, item.name), flush=True
        )
        for mistake in mistakes:
            print("                  " + mistake, flush=True)
    left = difference(baseline, target.calm_audit())
    if left:
        print("FAILED          the host is not as before: %s" % left)
    failed = sum(1 for item in results if item["mistakes"]) + bool(left)
    if given.results:
        path = pathlib.Path(given.results)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"baseline": {k: v[0] for k, v in baseline.items()}, "results": results}, indent=1))
    proven = {check for item in results if not item["mistakes"] for check in item["flips"]}
    print("%d checks proven live" % len(proven))
    print("%d passed, %d failed" % (len(results) - failed + bool(left), failed))
    sys.exit(1 if failed or not results else 0)


if __name__ == "__main__":
    main()
