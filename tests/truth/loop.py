# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed loop: break one thing on a hardened host, and harden.yml with the tag of the role that its check names has to mend it.

    loop.py CONTAINER --inventory INVENTORY --host NAME [--lean|--lean-deployment] [--hardened] [--only PATTERN] [--resume] [--options JSON] [--results FILE]

Nothing is mended by hand: after each break harden.yml runs, and every verdict has to be as before the break.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import time

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent / "playbooks/collections")]

from ansible_collections.nself.prod.plugins.plugin_utils.report import deployment  # noqa: E402

from truth import mending_deployment  # noqa: E402
from truth.mending import LEAN, VARIABLES, mendable, roles_of, together  # noqa: E402
from truth.run import compare, difference  # noqa: E402
from truth.target import OPTIONS, ROOT, Failed, Target  # noqa: E402

# What the role nginx makes copies of where it has to: the files are as before the break in the end, so the copies are to be so too.
COPIED = ("/nginx/includes/", "/nginx/conf.d/")


class Hardener:
    """Runs harden.yml on one host as its user would."""

    def __init__(self, inventory, host, options):
        self.inventory = inventory
        self.host = host
        self.variables = {"nself_check_policy": options.get("policy", {}), "nself_harden_fail_on": "none"}

    def run(self, roles=(), variables=None):
        """Run these roles, all where none is named. Raises Failed with what Ansible said."""
        words = ["ansible-playbook", str(ROOT / "playbooks/harden.yml"), "-i", self.inventory, "--limit", self.host]
        words += ["--tags", ",".join(roles)] if roles else []
        words += ["-e", json.dumps(dict(self.variables, **(variables or {})))]
        env = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), NO_COLOR="1")
        env.setdefault("ANSIBLE_COLLECTIONS_PATH", str(ROOT / "playbooks/collections"))
        done = subprocess.run(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, timeout=900, check=False
        )
        if done.returncode != 0:
            raise Failed("harden.yml ended with %d:\n%s" % (done.returncode, done.stdout[-3000:]))
        return done.stdout


def unbroken(mutation, broken):
    """Return which checks do not say what the break makes of them. What else turns is the host's: it is to be as before in the end."""
    return [
        "%s should be %s, but is %s: %s" % (check, status, broken[check][0], broken[check][1])
        for check, status in mutation.flips.items()
        if broken[check][0] != status
    ]


def attempt(target, hardener, mutation, baseline):
    """Break, audit, harden, audit; return (seconds of the run, mistakes)."""
    mistakes, seconds = [], 0.0
    # What is broken in compose's model is broken in the part of these roles: they win over all that is written above.
    whose = "roles='%s'\n" % " ".join(role for role in roles_of(mutation) if role in deployment.ROLES)
    try:
        target.sh(whose + mutation.breaks)
        broken = target.calm_audit()
        mistakes += unbroken(mutation, broken)
        started = time.monotonic()
        hardener.run(roles_of(mutation), VARIABLES.get(mutation.name))
        seconds = time.monotonic() - started
        mended = target.calm_audit()
        mistakes += compare({}, difference(baseline, mended), mended)
    except Failed as error:
        mistakes.append(str(error))
    # What the break brought along is of no use to the next one; what the role mended is not undone by that.
    try:
        target.sh(mutation.mends)
    except Failed as error:
        if mistakes:
            mistakes.append("and mending it by hand failed: %s" % error)
    back = mending_deployment.BACK.get(mutation.name)
    if back or any(path in mutation.breaks for path in COPIED):
        try:
            hardener.run(roles_of(mutation), back)
        except Failed as error:
            mistakes.append("and the way back failed: %s" % error)
    target.sh("rm -rf $kept")
    return seconds, mistakes


def merged(earlier, results):
    """Return the results of an earlier run with these in place of their own, in the order of the tables."""
    order = {item.name: number for number, item in enumerate(mendable())}
    found = {item["name"]: item for item in earlier if item["name"] in order}
    found.update({item["name"]: item for item in results})
    return sorted(found.values(), key=lambda item: order.get(item["name"], len(order)))


class Results:
    """The file of the results, written anew after each break: a run that is ended loses none of those before."""

    def __init__(self, path, keep):
        """path: None where nobody wants them; keep: those of an earlier run, where this one does not try them again."""
        self.path = pathlib.Path(path) if path else None
        self.earlier = json.loads(self.path.read_text())["results"] if keep and self.path and self.path.exists() else []
        self.new = []

    def add(self, result):
        self.new.append(result)
        if not self.path:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".new")
        beside.write_text(json.dumps({"results": merged(self.earlier, self.new)}, indent=1))
        beside.replace(self.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("container")
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--host", required=True, help="its name in the inventory")
    parser.add_argument("--lean", action="store_true", help="only the breaks that stand for their roles, all at once")
    parser.add_argument("--lean-deployment", action="store_true", help="only those that stand for a deployment's roles")
    parser.add_argument("--hardened", action="store_true", help="it is hardened already")
    parser.add_argument("--only", default="*", help="pattern of names, checks or roles")
    parser.add_argument("--resume", action="store_true", help="not those that the results say were mended")
    parser.add_argument("--options", default=json.dumps(OPTIONS), help="JSON: options of the audit")
    parser.add_argument("--results", help="file for the results, JSON")
    given = parser.parse_args()
    options = json.loads(given.options)
    target, hardener = Target(given.container, options), Hardener(given.inventory, given.host, options)
    chosen = [
        item
        for item in mendable()
        if any(fnmatch.fnmatchcase(name, given.only) for name in (item.name, *item.flips, *roles_of(item)))
    ]
    for asked, names in ((given.lean, LEAN), (given.lean_deployment, mending_deployment.LEAN)):
        if asked:
            # In one run: it is the same roles that mend the same things.
            chosen = [together([item for item in chosen if item.name in names])]
    target.install()
    if not given.hardened:
        started = time.monotonic()
        hardener.run()
        print("       %5.1f s  hardened" % (time.monotonic() - started), flush=True)
    target.audit()  # compiles it on the host
    baseline = target.calm_audit()
    results = Results(given.results, keep=given.resume or given.only != "*")
    known = [item["name"] for item in results.earlier if given.resume and not item["mistakes"]]
    for item in chosen:
        if item.name in known:
            continue
        seconds, mistakes = attempt(target, hardener, item, baseline)
        roles = roles_of(item)
        results.add(
            {
                "name": item.name,
                "flips": dict(item.flips),
                "roles": roles,
                "seconds": round(seconds, 1),
                "mistakes": mistakes,
            }
        )
        print(
            "%s %5.1f s  %s: %s" % ("FAILED" if mistakes else "ok    ", seconds, ",".join(roles), item.name), flush=True
        )
        for mistake in mistakes:
            print("                  " + mistake, flush=True)
        if mistakes:
            left = difference(baseline, target.calm_audit())
            if left:
                print("                  left behind: %s" % left, flush=True)
    failed = sum(1 for item in results.new if item["mistakes"])
    print("%d mended, %d not" % (len(results.new) - failed, failed))
    sys.exit(1 if failed or not (results.new or known) else 0)


if __name__ == "__main__":
    main()
