# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a broken deployment no role mends, and what its user has to say: beside the tables of mending.py, which are about the host."""

from __future__ import annotations

from truth.tables.postgres import sql
from truth.tables.web import site

PERMISSIONS = (
    "permissions are the application's own: the role reports them, and sets those that hasura_permissions gives"
)
ROWS = "these policies are the application's own: for a table that postgres_audit_rls names it is one of those above"
NOTES = (
    "CREATE TABLE public.notes (id int, user_id uuid); GRANT SELECT ON public.notes TO app; "
    "ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY; ALTER TABLE public.notes FORCE ROW LEVEL SECURITY; "
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
    "a name is served in clear": "the name has no certificate, so a redirect would lead nowhere: its owner gets it one, or takes it away",
    "the admin panel runs": "it was started by hand beside the project's files, so whoever did that has to stop it",
    "a scan found something": "an image with a hole has to be replaced by a newer one, which is an update with its own risks",
    "a floating tag": "the images of the test host come from no registry, so they have no digest that they could be pinned to",
    "the auth service is another one": "which image is meant to run is the user's decision",
    "the database's password is a default": "a password is rotated by hand, in the role and in every service that holds it",
    "an administrator without a second factor": "only that person can register one",
    "the application owns what its policies guard": ROWS,
    "a policy for everybody": ROWS,
    "the audit log has been silent": "entries that were not written cannot be made up",
    "a password stored as MD5": "the password behind it is known to nobody but its user, who has to set it again",
}
ABOVE = "with that out of the way it is one of those above"
SIGN_IN = "sign-in is guarded by the auth service alone"
MORE = (
    site(
        "a name that has a certificate is served in clear",
        "server { listen 80; server_name api.example.test; location / { proxy_pass http://hasura:8080; } }",
        "NET-01",
        "NET-02",
    ),
    sql(
        "a policy for everybody on a table that is named",
        NOTES + "CREATE POLICY everybody ON public.notes FOR SELECT USING (true)",
        "DROP TABLE public.notes",
        "DATA-17",
    ),
    sql(
        "the application owns a table that is named",
        NOTES + "ALTER TABLE public.notes NO FORCE ROW LEVEL SECURITY; ALTER TABLE public.notes OWNER TO app",
        "DROP TABLE public.notes",
        "DATA-16",
    ),
)
HELD_BACK = {
    SIGN_IN: "nginx limits it on every site, whatever the site's own file says; " + ABOVE,
    "the auth service reflects every origin": "nginx lets no page of a stranger ask it, whatever the site's own file says; "
    + ABOVE,
    "Prometheus asks nobody": "nginx asks for a login in front of it, whatever the site's own file says; " + ABOVE,
    "the console of Hasura has a public way": "nginx asks for a login in front of it, whatever the site's own file says",
}
OURS = "/var/www/nself/.nself-prod/nginx/http.conf"


def past(of, change):
    """Return (what is out of the way, how it gets there, how it comes back) for a line of what nginx has from its role."""
    return of, "edit %s '%s'\n" % (OURS, change), "\nback %s\nreload_nginx" % OURS


PAST = {
    SIGN_IN: past("nginx's limit for every site", "/limit_req zone=nself_prod_sign_in/d"),
    "the auth service reflects every origin": past("nginx's guard", 's/default "nobody"/default ""/'),
    "Prometheus asks nobody": past(
        "nginx's guard", 's/"prometheus.example.test" "login"/"prometheus.example.test" ""/'
    ),
}
# What a user says in a run that mends this.
APPS_ROLE = {"postgres_audit_app_role": "nself_app"}
NAMED: dict[str, object] = {"table": "public.notes", "user_column": "user_id", "roles": ["app"]}
NOBODY_ELSE: dict[str, object] = {"postgres_audit_privileged_roles": []}
VARIABLES: dict[str, dict[str, object]] = {
    "the application is a superuser": {**APPS_ROLE, **NOBODY_ELSE},
    "a role too many with powers": NOBODY_ELSE,
    "a table of users without row security": {"postgres_audit_rls": [NAMED]},
    "a policy for everybody on a table that is named": {"postgres_audit_rls": [{**NAMED, "replaces": ["everybody"]}]},
    "the application owns a table that is named": {"postgres_audit_rls": [NAMED]},
}
# What takes a mend back that goes further than the break, so that the next break finds the host as this one did.
BACK: dict[str, dict[str, object]] = {
    "the application is a superuser": {**APPS_ROLE, "postgres_audit_app_role_state": "absent"}
}
# Those that stand for the others on any project of nself: each is made in compose's model.
LEAN = (
    "a container may write its root",
    "auth: AUTH_REFRESH_TOKEN_EXPIRES_IN=2592000",
    "hasura: HASURA_GRAPHQL_ENABLED_APIS=…",
)
