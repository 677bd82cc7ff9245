# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd lets in, and how: INFRA-05 to INFRA-13 and INFRA-16. Judged for every kind of login that its Match blocks tell apart."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

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
from ansible_collections.nself.prod.plugins.module_utils.audit.verdicts import decide, each, resource, summed
from ansible_collections.nself.prod.plugins.module_utils.parse import sshd

RELOAD = ("ssh",)
STANDARD_PORT = 22
OTHERS_MAY_WRITE = 0o022
NOT_OWNER_ONLY = 0o077


def needs_sshd(facts: Facts) -> None:
    """Raise NotApplicable where sshd is not installed."""
    if facts.read("ssh.state") == "absent":
        raise NotApplicable("no sshd is installed")


def complete(facts: Facts, path: str, name: str) -> List[Resource]:
    """Return nothing where everything was looked at, else one unknown resource: what was overlooked can never pass."""
    try:
        if facts.read(path) is not True:
            raise Missing(path, Reason.ERROR)
    except Missing as missing:
        return [Resource(name, Status.UNKNOWN, missing.detail or str(missing), reason=missing.reason)]
    return []


def _logins(
    facts: Facts,
    judge: Callable[[Record], Tuple[bool, str]],
    pick: Callable[[List[Record]], List[Record]] = list,
) -> List[Resource]:
    """Judge the settings of each kind of login, or of those that pick chooses."""
    needs_sshd(facts)
    sessions = pick(facts.records("ssh.sessions"))
    if not sessions:
        raise Missing("ssh.sessions", Reason.ERROR, "sshd was asked for no login")
    judged = each(sessions, lambda session: session.read("name"), judge)
    return judged + complete(facts, "ssh.sessions_complete", "all logins")


def _number(session: Record, name: str) -> int:
    try:
        return int(session.read("values." + name))
    except (TypeError, ValueError):
        raise Missing("ssh.sessions", Reason.PARSE_ERROR, "%s is no number" % name) from None


@check(
    id="INFRA-05",
    slug="ssh-no-passwords",
    title="SSH accepts no passwords",
    severity=Severity.CRITICAL,
    why="Whoever can guess or steal one password of one account then owns a shell on the server, and guessing never stops",
    reads="sshd -T of every sshd that listens, for each kind of user and origin: PasswordAuthentication, PermitEmptyPasswords, "
    "keyboard-interactive through PAM, AuthenticationMethods",
    passes="no login accepts a password",
    fix=Fix(
        "sshd",
        "Set `PasswordAuthentication no` and `KbdInteractiveAuthentication no` in /etc/ssh/sshd_config.d/00-hardening.conf, remove "
        "Match blocks that turn them on again, check `sshd -T -C user=…` and reload ssh.",
        ("sshd_password_authentication",),
        RELOAD,
    ),
    refs=("s:ssh", "U:5.1.19"),
)
def no_passwords(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        ways = []
        if session.read("values.passwordauthentication") != "no" and _suffices(session, "password"):
            ways.append("PasswordAuthentication is on")
        if session.read("values.permitemptypasswords") != "no":
            ways.append("PermitEmptyPasswords is on")
        # PAM asks for the same password in keyboard-interactive clothes, unless a key is demanded beside it.
        if session.read("values.kbdinteractiveauthentication") != "no" and session.read("values.usepam") != "no":
            if _suffices(session, "keyboard-interactive"):
                ways.append("KbdInteractiveAuthentication lets PAM ask for the password")
        return not ways, ", ".join(ways) or "no passwords"

    return summed("no login accepts a password", _logins(facts, judge))


def _suffices(session: Record, wanted: str) -> bool:
    """Return whether AuthenticationMethods lets somebody in by this method without a key."""
    methods = session.read("values.authenticationmethods") or ["any"]
    for method in methods:
        names = [name.split(":")[0] for name in method.split(",")]
        if method == "any" or (wanted in names and "publickey" not in names):
            return True
    return False


@check(
    id="INFRA-06",
    slug="ssh-pubkey",
    title="SSH accepts keys, and somebody has one",
    severity=Severity.CRITICAL,
    why="Without a working key the server can be administered only with a password, or not at all once passwords are off",
    reads="sshd -T PubkeyAuthentication for each kind of user and origin, and the key files of the users who may log in",
    passes="public keys are accepted, and at least one user who may log in has one",
    fix=Fix(
        "sshd",
        "Set `PubkeyAuthentication yes`, put the operator's public key into ~/.ssh/authorized_keys (mode 0600) and reload ssh.",
        ("sshd_authorized_keys",),
        RELOAD,
    ),
    refs=("s:ssh",),
)
def pubkey(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        value = session.read("values.pubkeyauthentication")
        return value == "yes", "PubkeyAuthentication %s" % value

    logins = _logins(facts, judge)
    return summed(
        "PubkeyAuthentication yes, and a user who may log in has a key", logins + [_somebody_has_a_key(facts)]
    )


def _somebody_has_a_key(facts: Facts) -> Resource:
    name, unread = "a user with a key", complete(facts, "ssh.users_complete", "all users")
    for user in facts.records("ssh.users"):
        try:
            if user.read("allowed") and any(_has_key(file) for file in user.records("files")):
                return resource(name, True, user.read("name"))
        except Missing as missing:
            unread.append(Resource(name, Status.UNKNOWN, missing.detail, reason=missing.reason))
    for session in facts.records("ssh.sessions"):
        for setting in ("authorizedkeyscommand", "trustedusercakeys"):
            if session.read("values." + setting) != "none":
                text = "no key file of a user who may log in, and who may use %s was not read" % setting
                unread.append(Resource(name, Status.UNKNOWN, text, reason=Reason.ERROR))
    return unread[0] if unread else resource(name, False, "no user who may log in has a key")


def _has_key(file: Record) -> bool:
    return any(key.read("type") is not None for key in file.records("keys"))


@check(
    id="INFRA-07",
    slug="ssh-no-root",
    title="Root cannot log in over SSH",
    severity=Severity.CRITICAL,
    why="Every attacker knows the name root, and a shared root login leaves no trace of who did what",
    reads="sshd -T PermitRootLogin for each account with uid 0 and each origin",
    passes="PermitRootLogin is no",
    fix=Fix(
        "sshd",
        "Make sure that another user can log in with a key and use sudo, then set `PermitRootLogin no` and reload ssh.",
        ("sshd_permit_root_login",),
        RELOAD,
    ),
    refs=("s:ssh", "U:5.1.20"),
)
def no_root(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        value = session.read("values.permitrootlogin")
        return value == "no", "PermitRootLogin %s" % value

    return summed(
        "PermitRootLogin no", _logins(facts, judge, lambda logins: [login for login in logins if login.read("root")])
    )


@check(
    id="INFRA-08",
    slug="ssh-no-kbdinteractive",
    title="SSH offers no keyboard-interactive login",
    severity=Severity.WARNING,
    why="Keyboard-interactive hands the login to PAM, which asks for a password even where PasswordAuthentication is off",
    reads="sshd -T KbdInteractiveAuthentication (ChallengeResponseAuthentication of old) for each kind of user and origin",
    passes="KbdInteractiveAuthentication is no",
    fix=Fix(
        "sshd",
        "Set `KbdInteractiveAuthentication no` and reload ssh.",
        ("sshd_kbd_interactive_authentication",),
        RELOAD,
    ),
    refs=("s:ssh",),
)
def no_keyboard_interactive(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        value = session.read("values.kbdinteractiveauthentication")
        return value == "no", "KbdInteractiveAuthentication %s" % value

    return summed("KbdInteractiveAuthentication no", _logins(facts, judge))


@check(
    id="INFRA-09",
    slug="ssh-allow-users",
    title="SSH logins are limited to named users or groups",
    severity=Severity.WARNING,
    why="An account that some package or colleague creates later can log in at once where nothing names who may",
    reads="sshd -T AllowUsers and AllowGroups for each kind of user and origin",
    passes="AllowUsers or AllowGroups is set, and its patterns let in less than half of some made-up names",
    fix=Fix(
        "sshd",
        "Set `AllowUsers` (or `AllowGroups`) to the operators' accounts, your own among them, and reload ssh.",
        ("sshd_allow_users", "sshd_allow_groups"),
        RELOAD,
    ),
    refs=("s:ssh", "U:5.1.4"),
)
def allow_users(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        users, groups = session.read("values.allowusers"), session.read("values.allowgroups")
        limited = any(names and not sshd.lets_most_in(names) for names in (users, groups))
        shown = [
            text % " ".join(names) for text, names in (("AllowUsers %s", users), ("AllowGroups %s", groups)) if names
        ]
        return limited, ", ".join(shown) or "neither AllowUsers nor AllowGroups"

    return summed("AllowUsers or AllowGroups set, and most names match neither", _logins(facts, judge))


@check(
    id="INFRA-10",
    slug="ssh-max-auth-tries",
    title="SSH gives few tries a connection",
    severity=Severity.WARNING,
    why="Each connection gives that many guesses before it costs the guesser a new one and a line in the log",
    reads="sshd -T MaxAuthTries for each kind of user and origin",
    passes="MaxAuthTries is 3 or less (policy ssh_max_auth_tries)",
    fix=Fix("sshd", "Set `MaxAuthTries 3` and reload ssh.", ("sshd_max_auth_tries",), RELOAD),
    refs=("s:ssh",),
)
def max_auth_tries(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        tries = _number(session, "maxauthtries")
        return tries <= policy["ssh_max_auth_tries"], "MaxAuthTries %d" % tries

    return summed("MaxAuthTries at most %d" % policy["ssh_max_auth_tries"], _logins(facts, judge))


@check(
    id="INFRA-11",
    slug="ssh-login-grace",
    title="SSH closes logins that take too long",
    severity=Severity.WARNING,
    why="Connections that never log in hold the few slots that sshd keeps for strangers, and 0 lets them hold on for ever",
    reads="sshd -T LoginGraceTime",
    passes="LoginGraceTime is 1 to 60 seconds (policy ssh_login_grace_max_seconds); 0 is unlimited and fails",
    fix=Fix("sshd", "Set `LoginGraceTime 60` and reload ssh.", ("sshd_login_grace_time",), RELOAD),
    refs=("s:ssh",),
)
def login_grace(facts: Facts, policy: Policy) -> Verdict:
    most = policy["ssh_login_grace_max_seconds"]

    def judge(session: Record) -> Tuple[bool, str]:
        seconds = _number(session, "logingracetime")
        return 1 <= seconds <= most, "LoginGraceTime %d" % seconds

    # No Match block can change it, so one login speaks for all.
    return summed("LoginGraceTime 1 to %d seconds" % most, _logins(facts, judge, lambda logins: logins[:1]))


# DisableForwarding stands for these; X11 and agent forwarding it left on before OpenSSH 10.0 (CVE-2025-32728), so they are read.
FORWARDING_DISABLED_AT_ONCE = (
    ("allowtcpforwarding", "AllowTcpForwarding"),
    ("allowstreamlocalforwarding", "AllowStreamLocalForwarding"),
    ("permittunnel", "PermitTunnel"),
)
FORWARDING = (("x11forwarding", "X11Forwarding"), ("allowagentforwarding", "AllowAgentForwarding"))


@check(
    id="INFRA-12",
    slug="ssh-forwarding-idle",
    title="SSH forwards nothing and drops dead sessions",
    severity=Severity.RECOMMENDATION,
    why="Forwarding reaches the databases and sockets that the firewall hides, and a forgotten session stays open for whoever finds it",
    reads="sshd -T forwarding settings and ClientAlive settings for each kind of user and origin",
    passes="TCP, socket, tunnel, X11 and agent forwarding are off, ClientAliveInterval and ClientAliveCountMax are set",
    fix=Fix(
        "sshd",
        "Set `DisableForwarding yes`, `X11Forwarding no`, `AllowAgentForwarding no`, `ClientAliveInterval 300` and reload ssh.",
        ("sshd_allow_tcp_forwarding", "sshd_client_alive_interval", "sshd_client_alive_count_max"),
        RELOAD,
    ),
    refs=("L:SSH-7408",),
)
def forwarding_idle(facts: Facts, policy: Policy) -> Verdict:
    def judge(session: Record) -> Tuple[bool, str]:
        wanted = FORWARDING + (FORWARDING_DISABLED_AT_ONCE if session.read("values.disableforwarding") != "yes" else ())
        found = [(title, session.read("values." + name)) for name, title in wanted]
        wrong = ["%s %s" % item for item in found if item[1] != "no"]
        for name, title in (
            ("clientaliveinterval", "ClientAliveInterval"),
            ("clientalivecountmax", "ClientAliveCountMax"),
        ):
            if _number(session, name) < 1:
                wrong.append("%s 0" % title)
        return not wrong, ", ".join(wrong) or "no forwarding, dead sessions are dropped"

    return summed("no forwarding, and ClientAliveInterval and ClientAliveCountMax above 0", _logins(facts, judge))


@check(
    id="INFRA-13",
    slug="ssh-port",
    title="SSH is off port 22 or behind a jail",
    severity=Severity.RECOMMENDATION,
    why="Port 22 draws every scanner of the internet; a jail or another port keeps their noise out of sshd and its logs",
    reads="the ports that sshd or its socket unit listens on, and the running fail2ban's jails",
    passes="sshd listens on another port, or a fail2ban jail for sshd runs",
    fix=Fix(
        "sshd",
        "Enable the sshd jail of fail2ban, or move sshd to another port that the firewall already lets through.",
        ("sshd_ports",),
        RELOAD,
    ),
    refs=("s:ssh",),
)
def port(facts: Facts, policy: Policy) -> Verdict:
    needs_sshd(facts)
    expected = "not on port %d, or a fail2ban jail for sshd" % STANDARD_PORT
    ports = facts.read("ssh.ports")
    if not ports or not isinstance(ports, list) or not all(isinstance(number, int) for number in ports):
        raise Missing("ssh.ports", Reason.ERROR, "no TCP port is known on which sshd listens")
    shown = "on port " + " and ".join(str(number) for number in ports)
    if STANDARD_PORT not in ports:
        return decide(True, expected, shown)
    if facts.read("fail2ban.state") != "running":
        return decide(False, expected, shown + ", and fail2ban does not run")
    jails = sorted(name for name in facts.read("fail2ban.jails") if name.startswith("ssh"))
    return decide(
        bool(jails),
        expected,
        "%s behind the jail %s" % (shown, jails[0]) if jails else shown + ", and no jail guards it",
    )


@check(
    id="INFRA-16",
    slug="sshd-running-config",
    title="The running sshd obeys its files, and only root writes them",
    severity=Severity.WARNING,
    why="A setting that was written but never loaded protects nobody, and whoever can write the file decides who logs in",
    reads="when the running sshd read its configuration, the last change (mtime or ctime), owner and mode of each file and drop-in directory that it includes",
    passes="sshd has read its configuration after the last change; the files are root's with mode 0600",
    fix=Fix(
        "sshd",
        "Run `chown root:root` and `chmod 0600` on sshd_config and its drop-ins, then `sshd -t && systemctl reload ssh`.",
        (),
        RELOAD,
    ),
    refs=("U:5.1.1",),
)
def running_config(facts: Facts, policy: Policy) -> Verdict:
    needs_sshd(facts)
    mode = facts.read("ssh.daemon.mode")
    if mode == "stopped":
        raise NotApplicable("sshd does not run")

    def judge(file: Record) -> Tuple[bool, str]:
        wrong, since = _file_problems(file), file.read("since")
        if since is None and mode != "socket":
            raise Missing("ssh.config", Reason.ERROR, "the running sshd's process was not found")
        # A socket without a daemon: the next connection starts an sshd that reads the files anew.
        if since is not None and file.read("changed") > since:
            wrong.append("changed since sshd read it")
        return not wrong, ", ".join(wrong) or (
            "read by sshd since its last change" if since else "read anew by the next sshd"
        )

    files = facts.records("ssh.config")
    if not files:
        raise Missing("ssh.config", Reason.ERROR, "no configuration file was found")
    return summed(
        "read by sshd since its last change; root's, mode 0600", each(files, lambda file: file.read("path"), judge)
    )


def _file_problems(file: Record) -> List[str]:
    wrong = []
    uid, mode = file.read("uid"), file.read("mode")
    if uid != 0:
        wrong.append("owned by uid %d" % uid)
    if mode & (OTHERS_MAY_WRITE if file.read("kind") == "dir" else NOT_OWNER_ONLY):
        wrong.append("mode %04o" % mode)
    return wrong


CHECKS: Tuple[Any, ...] = (
    no_passwords,
    pubkey,
    no_root,
    no_keyboard_interactive,
    allow_users,
    max_auth_tries,
    login_grace,
    forwarding_idle,
    port,
    running_config,
)
