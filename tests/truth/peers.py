# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the tools that people use today about the same host, and compare what they say with the audit.

    peers.py CONTAINER [--options JSON] [--results FILE] [--lean]

ssh-audit, testssl.sh and Lynis run on the host itself. Ends with 1 where they disagree and peer_notes.py does not say why.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from truth.peer_notes import NOTES
from truth.target import Target

# Lynis: (test, pattern of its warning or suggestion, our check). Where the pattern is found, Lynis is not content.
LYNIS = (
    ("AUTH-9204", r"AUTH-9204", "INFRA-28"),
    ("AUTH-9283", r"AUTH-9283", "INFRA-28"),
    ("FIRE-4590", r"FIRE-4590", "INFRA-01"),
    ("INSE-8322", r"INSE-8322", "INFRA-27"),
    ("INSE-8304", r"INSE-8304", "INFRA-27"),
    ("PKGS-7392", r"PKGS-7392", "INFRA-20"),
    ("PKGS-7420", r"PKGS-7420", "INFRA-19"),
    ("TIME-3104", r"TIME-3104", "INFRA-22"),
    ("ACCT-9628", r"ACCT-9628", "INFRA-24"),
    ("SSH-7408", r"SSH-7408\|[^|]*\|PermitRootLogin", "INFRA-07"),
    ("SSH-7408", r"SSH-7408\|[^|]*\|MaxAuthTries", "INFRA-10"),
    ("SSH-7408", r"SSH-7408\|[^|]*\|LoginGraceTime", "INFRA-11"),
    (
        "SSH-7408",
        r"SSH-7408\|[^|]*\|(?:AllowTcpForwarding|X11Forwarding|AllowAgentForwarding|PermitTunnel)",
        "INFRA-12",
    ),
    ("SSH-7408", r"SSH-7408\|[^|]*\|Port", "INFRA-13"),
)
# testssl.sh: our check -> what the findings are called, and the pattern of their ids.
TESTSSL = {
    "NET-06": ("cert_keySize, cert_signatureAlgorithm", r"^cert_(?:keySize|signatureAlgorithm)"),
    "NET-08": ("SSLv2 to TLS1_3", r"^(?:SSLv2|SSLv3|TLS1|TLS1_1|TLS1_2|TLS1_3)$"),
    "NET-09": ("cipherlist_*, FS", r"^(?:cipherlist_\w+|FS)$"),
    "NET-10": ("cipher_order", r"^cipher_order(?:-tls\w+)?$"),
}
GOOD = ("OK", "INFO", "DEBUG")


def word(good):
    return "good" if good else "not good"


def row(tool, test, check, theirs, ours):
    """Return one comparison; ours is the audit's status, and an undecided one is no opinion."""
    agree = ours == ("pass" if theirs else "fail")
    note = "agreed" if agree else NOTES.get((tool, test, check), "")
    return {"tool": tool, "test": test, "check": check, "theirs": word(theirs), "ours": ours, "note": note}


def ssh_audit(target, verdicts):
    """Yield a row for the algorithms and one for the host keys."""
    # It ends with 2 or 3 where it finds something.
    found = json.loads(target.sh("ssh-audit -j 127.0.0.1 || [ $? -le 3 ]"))

    def good(*sections):
        notes = [entry["notes"] for section in sections for entry in found[section]]
        return not any(note.get("fail") or note.get("warn") for note in notes)

    yield row("ssh-audit", "kex, enc, mac", "INFRA-14", good("kex", "enc", "mac"), verdicts["INFRA-14"][0])
    yield row("ssh-audit", "key", "INFRA-15", good("key"), verdicts["INFRA-15"][0])


def testssl(target, verdicts, name):
    """Yield a row for each check of TESTSSL about the site of that name."""
    options = "--quiet --color 0 --warnings off --ip 127.0.0.1 -p -s -f -P -S"
    target.sh(
        "rm -f /root/truth/testssl.json; testssl --jsonfile /root/truth/testssl.json %s %s:443 >/dev/null 2>&1 || true"
        % (options, name),
        400,
    )
    found = json.loads(target.sh("cat /root/truth/testssl.json"))
    for check, (called, pattern) in TESTSSL.items():
        mine = [item for item in found if re.search(pattern, item["id"])]
        bad = [item["id"] for item in mine if item["severity"] not in GOOD]
        if mine:
            parts = verdicts[check][2]
            ours = next((status for part, status in parts.items() if name in part), verdicts[check][0])
            yield row("testssl.sh", ", ".join(bad) or called, check, not bad, ours)


def lynis(target, verdicts):
    """Yield a row for each entry of LYNIS, and one for each kernel setting that both know."""
    target.sh("lynis audit system --quick --no-colors >/dev/null 2>&1 || true", 300)
    told = target.sh("grep -E '^(warning|suggestion)' /var/log/lynis-report.dat || true")
    log = target.sh("grep -E 'sysctl key|Performing test ID' /var/log/lynis.log")
    for test, pattern, check in LYNIS:
        if "Performing test ID %s" % test in log:
            yield row("Lynis", test, check, not re.search(pattern, told), verdicts[check][0])
    for key, equal in re.findall(r"sysctl key (\S+) (has a different|contains equal)", log):
        for check in ("INFRA-25", "INFRA-26"):
            if key in verdicts[check][2]:
                yield row("Lynis", "KRNL-6000 " + key, check, equal == "contains equal", verdicts[check][2][key])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("container")
    parser.add_argument("--options", default="{}")
    parser.add_argument("--results")
    parser.add_argument("--name", default="api.localhost", help="the site to ask for")
    parser.add_argument("--lean", action="store_true", help="only ssh-audit")
    given = parser.parse_args()
    target = Target(given.container, json.loads(given.options))
    target.install()
    verdicts = target.audit()
    rows = list(ssh_audit(target, verdicts))
    if not given.lean:
        rows += list(testssl(target, verdicts, given.name)) + list(lynis(target, verdicts))
    unexplained = [item for item in rows if not item["note"]]
    for item in rows:
        print("%(tool)-10s %(test)-45s %(check)-9s %(theirs)-9s %(ours)-15s %(note)s" % item)
    if given.results:
        path = pathlib.Path(given.results)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([dict(item, host=given.container.rsplit("-", 1)[-1]) for item in rows], indent=1))
    print("%d passed, %d failed" % (len(rows) - len(unexplained), len(unexplained)))
    sys.exit(1 if unexplained or not rows else 0)


if __name__ == "__main__":
    main()
