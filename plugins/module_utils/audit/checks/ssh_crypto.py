# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cryptography of SSH: what the server offers on the wire (INFRA-14), host keys and user keys (INFRA-15)."""

from __future__ import annotations

from typing import List, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.ssh import RELOAD, complete, needs_sshd
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Facts, Record
from ansible_collections.nself.prod.plugins.module_utils.audit.model import (
    Fix,
    Missing,
    NotApplicable,
    Reason,
    Resource,
    Severity,
    Status,
    Verdict,
    check,
)
from ansible_collections.nself.prod.plugins.module_utils.audit.policy import Policy
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import ssh_algorithms as table
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import each, summed

OFFERS = (("kex", "key exchange"), ("host_keys", "host key algorithms"), ("ciphers", "ciphers"), ("macs", "MACs"))
KEY_GROUP = "ssh_keys"  # Red Hat's ssh-keysign reads host keys through this group
GROUP_MAY_READ, NOT_OWNER_ONLY, OTHERS_MAY_WRITE = 0o037, 0o077, 0o022


@check(
    id="INFRA-14",
    slug="ssh-crypto",
    title="SSH offers strong cryptography only",
    severity=Severity.WARNING,
    why="An algorithm that is offered can be forced on a session by whoever sits in between, however good the others are",
    reads="the key-exchange message that the server sends to anybody who connects",
    passes="no weak algorithm is offered, and strict key exchange is offered wherever Terrapin could strike",
    fix=Fix(
        "sshd",
        "Set `KexAlgorithms`, `HostKeyAlgorithms`, `Ciphers` and `MACs` without the names listed here, update OpenSSH where strict key "
        "exchange is missing, and restart ssh.",
        ("sshd_kex_algorithms", "sshd_host_key_algorithms", "sshd_ciphers", "sshd_macs"),
        RELOAD,
    ),
    refs=("ssh-audit",),
)
def crypto(facts: Facts, policy: Policy) -> Verdict:
    needs_sshd(facts)
    try:
        offer = facts.record("ssh.offer")
    except Missing:
        if facts.read("ssh.daemon.mode") == "stopped":
            raise NotApplicable("sshd does not run") from None
        raise

    def judge(item: Tuple[str, str]) -> Tuple[bool, str]:
        names = offer.read(item[0])
        if not names:
            raise Missing("ssh.offer." + item[0], Reason.PARSE_ERROR, "the server offers none")
        weak = ["%s (%s)" % found for found in table.weak(names)]
        return not weak, ", ".join(weak) or "%d offered, none weak" % len(names)

    def strict(_item: str) -> Tuple[bool, str]:
        offered = table.STRICT_KEX in offer.read("kex")
        prey = [name for name in offer.read("ciphers") + offer.read("macs") if table.TERRAPIN.search(name)]
        return offered or not prey, "offered" if offered else "not offered" + (
            ", with %s" % ", ".join(prey) if prey else ""
        )

    lists = each(OFFERS, lambda item: item[1], judge)
    return summed("no weak algorithm, strict key exchange", lists + each(("strict key exchange",), str, strict))


@check(
    id="INFRA-15",
    slug="ssh-keys-strong",
    title="SSH keys are strong and their files protected",
    severity=Severity.WARNING,
    why="A short or leaked host key lets somebody pose as the server; a weak user key, or one that others may add, opens an account",
    reads="type, size, owner and mode of host keys, and of every key in the users' authorized_keys with the directories above it",
    passes="every key is Ed25519, or RSA of 3072 bits (policy ssh_rsa_min_bits); only root reads host keys, only owners write key files",
    fix=Fix(
        "sshd",
        "Make an Ed25519 host key with `ssh-keygen -A`, name only it and a large RSA key in `HostKey` lines, replace weak user keys, "
        "and take write permission from group and others.",
        ("sshd_host_keys", "sshd_weak_user_keys"),
        RELOAD,
    ),
    refs=("U:5.1.2",),
)
def keys(facts: Facts, policy: Policy) -> Verdict:
    needs_sshd(facts)
    least = policy["ssh_rsa_min_bits"]

    def host_key(record: Record) -> Tuple[bool, str]:
        key = record.record("key")
        wrong = [text for text in (_weakness(key, least), _host_key_access(record)) if text]
        return not wrong, ", ".join(wrong) or _named(key)

    found = facts.records("ssh.host_keys")
    if not found:
        raise Missing("ssh.host_keys", Reason.ERROR, "no host key was found")
    resources = each(found, lambda record: record.read("path"), host_key)
    for user in facts.records("ssh.users"):
        resources += _user_keys(user, least)
    resources += complete(facts, "ssh.users_complete", "all users")
    for command in sorted(
        {session.read("values.authorizedkeyscommand") for session in facts.records("ssh.sessions")} - {"none"}
    ):
        text = "keys come from %s, which an audit does not run" % command
        resources.append(Resource("AuthorizedKeysCommand", Status.UNKNOWN, text, reason=Reason.ERROR))
    return summed("Ed25519, or RSA of at least %d bits; files safe from others" % least, resources)


def _user_keys(user: Record, least: int) -> List[Resource]:
    name, uid = user.read("name"), user.read("uid")

    def judge(file: Record) -> Tuple[bool, str]:
        weak = [(key, _weakness(key, least)) for key in file.records("keys")]
        wrong = ["line %d: %s" % (key.read("line"), text) for key, text in weak if text]
        wrong += [text for text in (_trail_problem(place, uid) for place in file.records("trail")) if text]
        return not wrong, ", ".join(wrong) or "%d strong keys" % len(weak)

    try:
        files = user.records("files")
    except Missing as missing:
        return [Resource("keys of " + name, Status.UNKNOWN, missing.detail or str(missing), reason=missing.reason)]
    return each(files, lambda file: "%s: %s" % (name, file.read("path")), judge)


def _named(key: Record) -> str:
    bits = key.read("bits")
    return "%s%s" % (key.read("type"), " %d bits" % bits if bits else "")


def _weakness(key: Record, least: int) -> Optional[str]:
    kind, bits = key.read("type"), key.read("bits")
    if kind is None:
        raise Missing("ssh.users", Reason.PARSE_ERROR, "line %s holds no readable key" % key.read("line"))
    if kind in table.STRONG_KEYS or (kind == table.RSA_KEY and bits >= least):
        return None
    return _named(key)


def _host_key_access(record: Record) -> Optional[str]:
    """Return what is wrong with owner and mode of a private key: root alone may read it, or the group of ssh-keysign too."""
    uid, mode = record.read("uid"), record.read("mode")
    if uid != 0:
        return "owned by uid %d" % uid
    forbidden = GROUP_MAY_READ if record.read("group") == KEY_GROUP else NOT_OWNER_ONLY
    return "mode %04o" % mode if mode & forbidden else None


def _trail_problem(place: Record, uid: int) -> Optional[str]:
    """Return what StrictModes would refuse: owned by neither root nor the user, or writable by others."""
    path, owner, mode = place.read("path"), place.read("uid"), place.read("mode")
    if owner not in (0, uid):
        return "%s is owned by uid %d" % (path, owner)
    return "%s has mode %04o" % (path, mode) if mode & OTHERS_MAY_WRITE else None


CHECKS = (crypto, keys)
