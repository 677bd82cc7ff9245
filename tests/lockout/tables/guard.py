# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard itself, on a change that does what it is told to (plays/library/lockout_trial.py)."""

from __future__ import annotations

from lockout.fault import REFUSED, ROLLED_BACK, SUCCEEDED, Fault

# sshd takes nobody any more; whether it has read that yet is another question.
NOBODY = "printf 'AllowUsers nobody-at-all\\n' >/etc/ssh/sshd_config.d/00-trial.conf && systemctl reload-or-restart ssh.service"
SLEEP = {"trial_command": "sleep 4"}

FAULTS = (
    Fault(
        "a good change, and the operator comes back",
        "trial",
        SUCCEEDED,
        holds="grep -qx changed /etc/lockout-trial.conf",
    ),
    Fault(
        "sshd is killed meanwhile, and systemd starts it again",
        "trial",
        SUCCEEDED,
        options=SLEEP,
        during="systemctl kill --signal=KILL ssh.service",
        guard=30,
        holds="grep -qx changed /etc/lockout-trial.conf",
    ),
    Fault(
        "the change itself fails",
        "trial",
        ROLLED_BACK,
        "no word why; the host was put back as it was",
        {"trial_command": "exit 3"},
    ),
    Fault(
        "sshd lets nobody in any more",
        "trial",
        ROLLED_BACK,
        "the host took the change back by itself",
        {"trial_command": NOBODY},
        lean=True,
    ),
    Fault(
        "sshd lets nobody in any more, and fail2ban bans whoever is denied four times",
        "trial",
        ROLLED_BACK,
        "Permission denied.*the host took the change back by itself",
        {"trial_command": NOBODY},
        ready="banned_for 600 4\nbanned 192.0.2.1\nfail2ban-client set sshd unbanip 192.0.2.1",
        note="The guard does not try again and again: the ban would outlast the rollback.",
    ),
    Fault(
        "somebody at the operator's address guesses passwords meanwhile, and sshd penalises the address",
        "trial",
        ROLLED_BACK,
        "the host took the change back by itself",
        {"trial_command": "sleep 8"},
        from_outside="guess",
        guard=25,
        host="13",
        note="As OpenSSH does since 9.8.",
    ),
    Fault(
        "the controller is killed while the change is made",
        "trial",
        ROLLED_BACK,
        options=SLEEP,
        from_outside="kill",
    ),
    Fault(
        "the connection breaks, and the change goes on without it",
        "trial",
        ROLLED_BACK,
        "the connection was lost in the middle .*; the host took the change back by itself",
        {"trial_command": "sleep 6; " + NOBODY},
        from_outside="drop",
        guard=30,
    ),
    Fault(
        "what puts the change in force hangs until the guard's time is over, and then goes on",
        "trial",
        ROLLED_BACK,
        "took the change back by itself",
        {"trial_command": "sleep 14; " + NOBODY},
        holds="sleep 6\n! [ -e /etc/ssh/sshd_config.d/00-trial.conf ]",
    ),
    Fault(
        "the timer of the rollback is masked",
        "trial",
        REFUSED,
        "nself-prod-rollback.timer is masked",
        breaks="systemctl --quiet mask nself-prod-rollback.timer",
        mends="[ -L /etc/systemd/system/nself-prod-rollback.timer ]\nsystemctl --quiet unmask nself-prod-rollback.timer",
    ),
    Fault(
        "the network is cut for longer than the guard waits",
        "trial",
        ROLLED_BACK,
        "took the change back",
        SLEEP,
        from_outside="cut",
        away=20,
    ),
    Fault(
        "the host is restarted while the guard is armed",
        "trial",
        ROLLED_BACK,
        "took the change back",
        SLEEP,
        from_outside="reboot",
        guard=30,
    ),
    Fault(
        "a second run at the same time",
        "trial",
        SUCCEEDED,
        options=SLEEP,
        from_outside="beside",
        beside="trial",
        beside_says="another run .* is changing this host",
        holds="grep -qx changed /etc/lockout-trial.conf",
    ),
    Fault(
        "no room for the rollback",
        "trial",
        REFUSED,
        "the rollback cannot be prepared .*No space left on device.*; nothing was changed",
        breaks="tiny_disk /etc/nself-prod 16k\nfill /etc/nself-prod",
        mends="umount /etc/nself-prod",
    ),
)
