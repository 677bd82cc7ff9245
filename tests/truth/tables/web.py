# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx: one line of its configuration changed at a time, and loaded."""

from __future__ import annotations

from truth.mutation import Mutation, fails, file

FOLDER = "/var/www/nself/nginx/"
HEADERS = "includes/headers.conf"


def nginx(name, path, change, *checks, lean=False, **others):
    """Edit one file by a sed expression."""
    return Mutation(
        name,
        "edit %s%s '%s'\nreload_nginx" % (FOLDER, path, change.replace("'", "'\\''")),
        "back %s%s\nreload_nginx" % (FOLDER, path),
        fails(*checks, **others),
        lean,
    )


def site(name, text, *checks, **others):
    """Add one file of a site."""
    breaks, mends = file(
        FOLDER + "sites/broken.conf",
        text,
        "[ ! -e %ssites/broken.conf ] || chmod 0644 %ssites/broken.conf\nreload_nginx" % (FOLDER, FOLDER),
    )
    return Mutation(name, breaks, mends, fails(*checks, **others))


MUTATIONS = (
    site(
        "a name is served in clear",
        "server { listen 80; server_name clear.example.test; location / { return 200 clear; } }",
        "NET-01",
        "NET-02",
    ),
    nginx("HTTP is redirected for a while only", "conf.d/default.conf", "s/return 301/return 302/", "NET-02"),
    nginx("HSTS of a few minutes", HEADERS, "s/max-age=31536000/max-age=300/", "NET-11", lean=True),
    nginx("types are sniffed", HEADERS, "/X-Content-Type-Options/d", "NET-12"),
    nginx("pages may be framed", HEADERS, "/X-Frame-Options/d; s/frame-ancestors 'none'; //", "NET-13"),
    nginx(
        "no content security policy worth its name",
        HEADERS,
        "s/default-src 'self'; frame-ancestors 'none'; object-src/object-src/",
        "NET-14",
        "NET-15",
    ),
    nginx(
        "scripts from everywhere",
        HEADERS,
        "s/default-src 'self';/default-src 'self'; script-src * 'unsafe-eval';/",
        "NET-15",
    ),
    nginx("the referrer tells all", HEADERS, "s/strict-origin-when-cross-origin/unsafe-url/", "NET-16"),
    nginx("the old XSS filter is half on", HEADERS, "s/X-XSS-Protection 0/X-XSS-Protection 1/", "NET-17"),
    nginx(
        "a location with a header of its own loses the rest",
        "sites/grafana.conf",
        "s/location \\/ \\{/location \\/ { add_header X-Own 1;/",
        "NET-11",
        "NET-12",
        "NET-13",
        "NET-16",
        "NET-18",
    ),
    nginx("nginx tells its version", "nginx.conf", "s/server_tokens off/server_tokens on/", "NET-19"),
    nginx("the auth service reflects every origin", "sites/auth.conf", "/proxy_hide_header/d", "NET-21", lean=True),
    nginx("GraphQL is not limited", "sites/api.conf", "s/limit_req zone=.*/limit_req_dry_run on;/", "NET-23"),
    nginx(
        "sign-in is limited in trial only",
        "sites/auth.conf",
        "s/limit_req zone=auth/limit_req_dry_run on; limit_req zone=auth/",
        "NET-23",
    ),
    Mutation(
        "sign-in is guarded by the auth service alone",
        "edit %ssites/auth.conf '/limit_req/d'\nreload_nginx\nsystemctl stop fail2ban.service" % FOLDER,
        "back %ssites/auth.conf\nreload_nginx\nsystemctl start fail2ban.service\nwait_for 30 fail2ban-client ping\nsleep 2"
        % FOLDER,
        fails("AUTH-27", "INFRA-13", "INFRA-17", "INFRA-18"),
    ),
    nginx(
        "nginx waits a minute for a body", "nginx.conf", "s/client_body_timeout 10s/client_body_timeout 60s/", "NET-24"
    ),
    nginx("Prometheus asks nobody", "sites/prometheus.conf", "/auth_basic/d", "NET-28"),
    nginx(
        "old TLS",
        "nginx.conf",
        "s/ssl_protocols TLSv1.2/ssl_protocols TLSv1.1 TLSv1.2/; s/ssl_ciphers /ssl_ciphers ECDHE-RSA-AES128-SHA:@SECLEVEL=0:/",
        "NET-08",
        "NET-09",
    ),
    nginx("weak ciphers", "nginx.conf", "s/ssl_ciphers /ssl_ciphers AES128-SHA:/", "NET-09", lean=True),
    nginx(
        "the client's choice among weak ciphers",
        "nginx.conf",
        "s/ssl_ciphers /ssl_ciphers AES128-SHA:/; s/ssl_prefer_server_ciphers on/ssl_prefer_server_ciphers off/",
        "NET-09",
        "NET-10",
    ),
    nginx("the console of Hasura has a public way", "sites/api.conf", "/return 403/d", "AUTH-07"),
    Mutation(
        "a change that nginx has not loaded",
        "edit %ssites/search.conf 's/proxy_http_version/  proxy_http_version/'" % FOLDER,
        "back %ssites/search.conf\nreload_nginx" % FOLDER,
        dict.fromkeys(("NET-18", "NET-23", "NET-24"), "unknown"),
    ),
)
