# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd: one directive changed at a time, in a drop-in that is read before the others."""

from __future__ import annotations

from truth.mutation import Mutation, fails, file

DROP_IN = "/etc/ssh/sshd_config.d/00-0-broken.conf"
# Restarts in quick succession are no sign of trouble here.
RESTART = "[ ! -e {0} ] || chmod 0600 {0}\nsystemctl reset-failed ssh.service\nsystemctl restart ssh.service".format(
    DROP_IN
)


def sshd(name, directives, *checks, lean=False, **others):
    breaks, mends = file(DROP_IN, directives, RESTART)
    return Mutation(name, breaks, mends, fails(*checks, **others), lean)


MUTATIONS = (
    sshd("sshd takes passwords", "PasswordAuthentication yes", "INFRA-05", lean=True),
    sshd("sshd takes no public keys", "PubkeyAuthentication no", "INFRA-06"),
    sshd("sshd lets root in", "PermitRootLogin yes\nAllowUsers root deploy", "INFRA-07"),
    sshd("sshd asks by keyboard", "KbdInteractiveAuthentication yes", "INFRA-05", "INFRA-08"),
    sshd("sshd lets every account in", "AllowUsers *", "INFRA-09"),
    sshd("sshd gives ten tries", "MaxAuthTries 10", "INFRA-10"),
    sshd("sshd waits for ever for a login", "LoginGraceTime 0", "INFRA-11"),
    sshd("sshd forwards connections", "AllowTcpForwarding yes", "INFRA-12"),
    sshd("sshd offers SHA-1", "MACs hmac-sha1,hmac-sha2-256-etm@openssh.com", "INFRA-14", lean=True),
    Mutation(
        "a weak host key",
        "ssh-keygen -q -t rsa -b 2048 -N '' -f /etc/ssh/ssh_host_weak_key\n"
        "put %s <<'END'\nHostKey /etc/ssh/ssh_host_weak_key\nHostKey /etc/ssh/ssh_host_ed25519_key\nEND\n%s"
        % (DROP_IN, RESTART),
        "back %s\nrm -f /etc/ssh/ssh_host_weak_key /etc/ssh/ssh_host_weak_key.pub\n%s" % (DROP_IN, RESTART),
        fails("INFRA-15"),
    ),
    Mutation(
        "a weak key of a user",
        "keep /home/deploy/.ssh/authorized_keys\nssh-keygen -q -t rsa -b 2048 -N '' -f /root/truth/weak\n"
        "cat /root/truth/weak.pub >>/home/deploy/.ssh/authorized_keys",
        "rm -f /root/truth/weak /root/truth/weak.pub\nback /home/deploy/.ssh/authorized_keys",
        fails("INFRA-15"),
    ),
    Mutation(
        "sshd has not read its configuration",
        "keep %s\nsleep 1\nprintf 'MaxSessions 9\\n' >%s\nchmod 0600 %s" % (DROP_IN, DROP_IN, DROP_IN),
        "back %s\n%s" % (DROP_IN, RESTART),
        # What sshd -T says is then not what holds.
        dict(dict.fromkeys(("INFRA-%02d" % number for number in range(5, 13)), "unknown"), **fails("INFRA-16")),
    ),
)
