# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which role is to mend what a mutation breaks, with which variables, and what no role can mend."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.audit.registry import CHECKS
from ansible_collections.nself.prod.plugins.plugin_utils.report.hardening import ROLES

from truth import mending_deployment
from truth.mutation import Mutation
from truth.tables import MUTATIONS

ROLE_OF = {check.id: check.fix.role for check in CHECKS}

# Breaks that are about a role of harden.yml, but that only hands can mend.
BY_HAND = {
    "the release is not supported any more": "no role upgrades a release: that is a decision, and takes the services down",
    "a second root": "the account can be closed, but what it owns is root's: its number has to go by hand",
    **mending_deployment.BY_HAND,
}
# What a user would have to say, since the default is to leave it and to tell.
VARIABLES: dict[str, dict[str, object]] = {
    "a weak key of a user": {"sshd_weak_user_keys": "disable"},
    **mending_deployment.VARIABLES,
}
# Breaks that break nothing on a host that harden.yml has hardened, and what holds them back. The first ones are made in spite of it too.
PUBLISHED = "the firewall holds back what is published by mistake; with that out of the way it is one of those above"
HELD_BACK = {
    "a container publishes its port": PUBLISHED,
    "the database is reachable from outside": PUBLISHED,
    "the whole world may ask the database": PUBLISHED,
    **mending_deployment.HELD_BACK,
}
# The port is published where its user would do it: in the part of the override that is his own, which the roles win over.
PAST_THE_FIREWALL = "roles=yours\niptables -I DOCKER-USER -j RETURN\n"
BACK_BEHIND_IT = "\nwhile iptables -D DOCKER-USER -j RETURN 2>/dev/null; do :; done\niptables -A DOCKER-USER -j RETURN"


def in_spite(name, of, breaks, mends):
    """Return a break of the tables together with that of what holds it back. of: what that is."""
    (item,) = [item for item in MUTATIONS if item.name == name]
    return Mutation("%s, past %s" % (name, of), breaks + item.breaks, item.mends + mends, item.flips)


MORE: tuple[Mutation, ...] = (
    *(
        in_spite(name, "the firewall", PAST_THE_FIREWALL, BACK_BEHIND_IT)
        for name, why in HELD_BACK.items()
        if why == PUBLISHED
    ),
    *(in_spite(name, *past) for name, past in mending_deployment.PAST.items()),
    *mending_deployment.MORE,
)

# Those that stand for their roles where time is short: no deployment is needed for them.
LEAN = (
    "sshd takes passwords",
    "the firewall lets all in",
    "fail2ban bans for a minute",
    "net.ipv4.tcp_syncookies=0",
    "an account without a password",
)


def roles_of(mutation):
    """Return the roles of harden.yml that mend what a mutation turns, in their order."""
    turned = {ROLE_OF[check] for check in mutation.flips}
    return tuple(role for role in ROLES if role in turned)


def mendable():
    """Return every mutation that a role of harden.yml has to mend."""
    return [item for item in (*MUTATIONS, *MORE) if roles_of(item) and item.name not in (*BY_HAND, *HELD_BACK)]


def together(mutations):
    """Return one mutation that makes all of these at once."""
    flips = {check: status for item in mutations for check, status in item.flips.items()}
    texts = ("\n".join(getattr(item, part) for item in mutations) for part in ("breaks", "mends"))
    return Mutation(", ".join(item.name for item in mutations), *texts, flips)
