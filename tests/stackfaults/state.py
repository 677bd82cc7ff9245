# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host's deployment. Runs on the host, as root.

state.py show     print it as JSON: {what: text}, what being a file of the project or a service
state.py health   print the services that are not well, with why
state.py keep     keep a copy of the project, as what `back` returns to
state.py back     bring it back, and start it as nself does
"""

import hashlib
import json
import os
import stat
import subprocess
import sys
import time

PROJECT = "/var/www/nself"
KEPT = "/root/stackfaults"
# What our own transaction keeps outside the project.
OURS = ("/var/lib/nself-prod/deployment",)
# Files that services write while they run.
VOLATILE = ("logs",)
LABEL = "com.docker.compose."


def run(*words, check=True, cwd=None):
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False, cwd=cwd
    )
    if check and done.returncode:
        sys.exit("%s: %s" % (" ".join(words), done.stderr.decode("utf-8", "replace")))
    return done.stdout.decode("utf-8", "replace")


def describe(path):
    seen = os.lstat(path)
    access = "%o %d:%d" % (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
    if stat.S_ISLNK(seen.st_mode):
        return "link to %s" % os.readlink(path)
    if stat.S_ISREG(seen.st_mode):
        with open(path, "rb") as stream:
            return "%s sha256 %s" % (access, hashlib.sha256(stream.read()).hexdigest()[:16])
    return access


def files():
    out = {}
    for base, names, others in os.walk(PROJECT):
        if base == PROJECT:
            names[:] = [name for name in names if name not in VOLATILE]
        for path in [base] + [os.path.join(base, name) for name in others]:
            out[path] = describe(path)
    return out


def containers():
    ids = run("docker", "ps", "--all", "--quiet", "--filter", "label=%sproject" % LABEL).split()
    return json.loads(run("docker", "inspect", *ids)) if ids else []


def services():
    """Return what each service is, not which container it is now: its definition, its image, and how it runs."""
    out = {}
    for item in containers():
        labels = item["Config"]["Labels"]
        if labels.get(LABEL + "oneoff") == "True":
            out["one-off of " + labels[LABEL + "service"]] = item["Name"]
            continue
        host = item["HostConfig"]
        status = "once" if host["RestartPolicy"]["Name"] in ("", "no") else item["State"]["Status"]
        parts = (
            labels[LABEL + "config-hash"][:16],
            item["Image"][7:19],
            status,
            host["ReadonlyRootfs"],
            item["Name"].lstrip("/"),  # by which others may find it
        )
        out["service " + labels[LABEL + "service"]] = "%s %s %s readonly=%s %s" % parts
    return out


def networks():
    lines = run("docker", "network", "ls", "--format", "{{.Name}} {{.Driver}}").splitlines()
    return {"network " + line.split()[0]: line.split()[1] for line in lines}


def unwell():
    """Return why services are not well, a line each. What is started only once has ended well."""
    out = []
    for item in containers():
        state, name = item["State"], item["Config"]["Labels"][LABEL + "service"]
        health = (state.get("Health") or {}).get("Status", "healthy")
        once = item["HostConfig"]["RestartPolicy"]["Name"] in ("", "no")
        if once and not state["Running"] and state["ExitCode"] == 0:
            continue
        if state["Status"] != "running" or health != "healthy":
            out.append("%s is %s, %s" % (name, state["Status"], health))
    return out


def health(seconds=150):
    ends = time.time() + seconds
    while True:
        found = unwell()
        if not found or time.time() > ends:
            return found
        time.sleep(1)


def start():
    with open(PROJECT + "/.env.runtime") as stream:
        lines = [line.strip() for line in stream]
    name = [line.split("=", 1)[1] for line in lines if line.startswith("PROJECT_NAME=")][-1]
    words = ["docker", "compose", "--profile", "init-containers", "--project-name", name, "--env-file", ".env.runtime"]
    run(*words, "up", "--detach", "--no-build", "--quiet-pull", "--remove-orphans", "--timeout", "2", cwd=PROJECT)


def main():
    what = sys.argv[1]
    if what == "show":
        print(json.dumps(dict(files(), **services(), **networks())))
    elif what == "health":
        print("\n".join(health()))
    elif what == "keep":
        run("rsync", "-a", "--delete", PROJECT + "/", KEPT + "/")
    else:
        run("rsync", "-a", "--delete", "--checksum", KEPT + "/", PROJECT + "/")
        for path in OURS:
            run("rm", "-rf", path)
        start()
        found = health()
        if found:
            sys.exit("not well: %s" % "; ".join(found))


main()
