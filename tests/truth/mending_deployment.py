# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a broken deployment no role mends, and what its user has to say: beside the tables of mending.py, which are about the host."""

from __future__ import annotations

PERMISSIONS = (
    "permissions are the application's own: the role reports them, and sets those that hasura_permissions gives"
)
ROWS = (
    "which rows are whose only the application's author knows: the role sets the policies that postgres_audit_rls gives"
)

BY_HAND = {
    "a port is public": "a program of the host listens, and only its owner knows whether it has to; the firewall keeps it in",
    "anonymous may read every row": PERMISSIONS,
    "everybody sees the schema": PERMISSIONS,
    "a role may insert anything": PERMISSIONS,
    "a query has no limit": PERMISSIONS,
    "a setting that nothing reads": "the line is the user's own, in a file of his: he is told the name that is read",
    "a password rule that nothing reads": "nothing in hasura-auth reads such a rule: the line has to go, and the rule into the application",
    "a stranger on the project's network": "a container of somebody else is not this collection's to stop",
    "a secret on a command line": "a program of the host was started so, by somebody who has to start it in another way",
    "the admin panel runs": "it was started by hand beside the project's files, so whoever did that has to stop it",
    "a scan found something": "an image with a hole has to be replaced by a newer one, which is an update with its own risks",
    "a floating tag": "the images of the test host come from no registry, so they have no digest that they could be pinned to",
    "the auth service is another one": "which image is meant to run is the user's decision",
    "the database's password is a default": "a password is rotated by hand, in the role and in every service that holds it",
    "an administrator without a second factor": "only that person can register one",
    "a role too many with powers": "whether somebody needs it is not known: the role names it",
    "a table of users without row security": ROWS,
    "the application owns what its policies guard": ROWS,
    "a policy for everybody": ROWS,
    "the audit log has been silent": "entries that were not written cannot be made up",
    "a password stored as MD5": "the password behind it is known to nobody but its user, who has to set it again",
}
SIGN_IN = "sign-in is guarded by the auth service alone"
HELD_BACK = {
    SIGN_IN: "nginx limits it on every site, whatever the site's own file says; with that out of the way it is one of those above",
    "the console of Hasura has a public way": "nginx asks for a login in front of it, whatever the site's own file says",
}
LIMITS = "/var/www/nself/.nself-prod/nginx/http.conf"
PAST_THE_LIMIT = (
    "nginx's limit for every site",
    "edit %s '/limit_req zone=nself_prod_sign_in/d'\n" % LIMITS,
    "\nback %s\nreload_nginx" % LIMITS,
)
# What a user says in a run that mends this.
VARIABLES: dict[str, dict[str, object]] = {}
# Those that stand for the others on any project of nself: each is made in compose's model.
LEAN = (
    "a container may write its root",
    "auth: AUTH_REFRESH_TOKEN_EXPIRES_IN=2592000",
    "hasura: HASURA_GRAPHQL_ENABLED_APIS=…",
)
