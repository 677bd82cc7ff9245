# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a test host that a guarded change may touch. Runs on the host, as root.

state.py show [ADDRESS]   print it as JSON: {what: text}, what being a file, a command or a unit; ADDRESS: who logs in, for sshd -T
state.py keep             keep a copy of all that, as what `back` returns to
state.py back             bring it back, whatever has happened since
"""

import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import time

KEPT = "/root/lockout"
FOLDERS = ("/etc", "/var/lib/nself-prod", "/home/deploy/.ssh", "/home/visitor/.ssh", "/root/.ssh", "/usr/local")
# What the guard itself works with, and what the container engine writes.
NOT_STATE = re.compile(
    r"/etc/(nself-prod$|nself-prod/roll|systemd/system/(.*/)?nself-prod-rollback\.|(mtab|resolv\.conf|hosts|hostname|\.pwd\.lock)$|ld\.so\.cache$)"
)
UNITS = ("ssh.service", "ssh.socket", "ufw.service", "fail2ban.service", "nftables.service")


def run(*words):
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
    )
    return done.stdout.decode("utf-8", "replace")


def files():
    """Yield every path that is state."""
    for folder in FOLDERS:
        for base, names, others in os.walk(folder):
            names[:] = [name for name in names if not NOT_STATE.match(os.path.join(base, name))]
            links = [name for name in names if os.path.islink(os.path.join(base, name))]
            yield base
            for path in (os.path.join(base, name) for name in others + links):
                if not NOT_STATE.match(path):
                    yield path


def describe(path):
    seen = os.lstat(path)
    access = "%o %d:%d" % (stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)
    if stat.S_ISLNK(seen.st_mode):
        return "link to %s" % os.readlink(path)
    if stat.S_ISREG(seen.st_mode):
        with open(path, "rb") as stream:
            return "%s sha256 %s" % (access, hashlib.sha256(stream.read()).hexdigest()[:16])
    return access


def rules():
    """Return {command: what it prints, without counters and dates}. A table without a rule that drops nothing is as good as none."""
    out = {}
    for command in ("iptables-save", "ip6tables-save"):
        found = re.sub(r" ?\[\d+:\d+\]|^#.*\n", "", run(command), flags=re.M)
        tables = re.findall(r"^\*.*?^COMMIT$", found, re.M | re.S)
        out[command] = "\n".join(table for table in tables if re.search(r"^-A|^:\S+ (?!ACCEPT)", table, re.M))
    listed = re.sub(r"counter packets \d+ bytes \d+", "counter", run("nft", "list", "ruleset"))
    tables = re.findall(r"^table .*?^}$", listed, re.M | re.S)
    # Those of iptables are told above.
    out["nft list ruleset"] = "\n".join(
        table for table in tables if not re.match(r"table ip6? (filter|nat|mangle|raw|security) ", table)
    )
    return out


def listening():
    """Return who listens for ssh, and where: not with which process number."""
    found = set()
    for line in run("ss", "-Hltnp").splitlines():
        parts = line.split()
        who = re.search(r'\(\("([^"]+)"', line)
        if who and who.group(1) in ("sshd", "systemd"):
            found.add(parts[3])
    return "\n".join(sorted(found))


def state(address):
    out = {path: describe(path) for path in files()}
    out.update(rules())
    out["listening"] = listening()
    os.makedirs("/run/sshd", exist_ok=True)
    out["sshd -T"] = run("/usr/sbin/sshd", "-T", "-C", "user=deploy,host=operator,addr=%s" % address)
    for unit in UNITS:
        out[unit] = "%s %s" % (
            run("systemctl", "is-enabled", unit).strip(),
            run("systemctl", "is-active", unit).strip(),
        )
    if out["ssh.socket"].endswith(" active"):
        # Whether it runs is then a matter of whether somebody has come.
        out["ssh.service"] = out["ssh.service"].split()[0]
    return out


def keep():
    run("systemctl", "reset-failed")
    shutil.rmtree(KEPT, ignore_errors=True)
    os.makedirs(KEPT, mode=0o700)
    for number, folder in enumerate(FOLDERS):
        if os.path.isdir(folder):
            subprocess.run(["cp", "-a", folder, "%s/%d" % (KEPT, number)], check=True)
    for command in ("iptables-save", "ip6tables-save"):
        with open("%s/%s" % (KEPT, command), "w") as stream:
            stream.write(run(command))
    with open(KEPT + "/units", "w") as stream:
        json.dump({unit: run("systemctl", "is-active", unit).strip() == "active" for unit in UNITS}, stream)


def back():
    run("systemctl", "stop", "nself-prod-rollback.timer", "nself-prod-rollback.service")
    # Before their files change: systemd loses sight of a service whose alias comes or goes while it runs.
    run("systemctl", "stop", "ssh.socket", "ssh.service")
    for line in run("findmnt", "-rno", "TARGET").splitlines():
        if line.startswith(("/etc/nself-prod", "/var/lib/nself-prod", "/etc/ssh", "/etc/ufw", "/etc/systemd")):
            run("umount", "--lazy", line)
    shutil.rmtree("/etc/nself-prod", ignore_errors=True)
    for number, folder in enumerate(FOLDERS):
        copy = "%s/%d" % (KEPT, number)
        for base, names, others in os.walk(folder, topdown=False):
            for name in names + others:
                path = os.path.join(base, name)
                if not os.path.lexists(copy + path[len(folder) :]) and not re.match(
                    r"/etc/(mtab|resolv\.conf|hosts|hostname)$", path
                ):
                    shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        if not os.path.isdir(copy):
            shutil.rmtree(folder, ignore_errors=True)
        else:
            os.makedirs(folder, exist_ok=True)
            # Links of units are replaced, not followed.
            subprocess.run(
                ["cp", "-a", "--no-dereference", "--remove-destination", copy + "/.", folder],
                stderr=subprocess.DEVNULL,
                check=False,
            )
    run("nft", "flush", "ruleset")
    for command, restore in (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore")):
        with open("%s/%s" % (KEPT, command)) as stream:
            subprocess.run([restore], stdin=stream, check=True)
    with open(KEPT + "/units") as stream:
        units = json.load(stream)
    run("systemctl", "unmask", "--runtime", *units)
    run("systemctl", "daemon-reload")
    for _ in range(5):
        run("systemctl", "reset-failed")
        # First what has to go: a socket holds the port that a service wants.
        for unit in sorted(units, key=units.get):
            run("systemctl", "restart" if units[unit] else "stop", unit)
        wrong = [unit for unit in units if (run("systemctl", "is-active", unit).strip() == "active") != units[unit]]
        if not wrong:
            return
        time.sleep(1)
    sys.exit("not as it was: %s" % run("systemctl", "--no-pager", "status", *wrong))


def main():
    if sys.argv[1] == "show":
        print(json.dumps(state(sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1")))
    elif sys.argv[1] == "keep":
        keep()
    else:
        back()


if __name__ == "__main__":
    main()
