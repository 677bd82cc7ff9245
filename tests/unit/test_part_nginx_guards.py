# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part nginx: who is let in."""

import re

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack.nginx_guards import origin_entries
from ansible_collections.nself.prod.plugins.module_utils.deployment.nginx_sites import http_of
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from nginx_projects import SITE, effective, guards, part, planned, stack, text_of

# -- who is let in ---------------------------------------------------------------------------------------------------------


def test_consoles_are_for_users_and_applications_for_all():
    deployment = stack(services={"meilisearch": {"environment": {"MEILI_MASTER_KEY": "k"}}})
    found = guards(effective(deployment, planned(deployment)))
    for name in ("prometheus", "alertmanager", "mail", "mlflow", "admin"):
        assert found[name + ".localhost"] == "login"
    for name in ("grafana", "storage-console", "storage", "functions", "search", "localhost", "express-api"):
        assert name + ".localhost" not in found


def test_what_has_a_login_only_at_times_is_looked_at():
    deployment = stack(services={"grafana": {"environment": {"GF_AUTH_ANONYMOUS_ENABLED": "true"}}})
    found = guards(effective(deployment, planned(deployment)))
    assert (found["grafana.localhost"], found["search.localhost"]) == ("login", "login")


def test_a_site_that_is_only_called_like_a_console_stays_open():
    deployment = stack(extra={"sites/own.conf": SITE % ("mail.example.com", "", "functions:1")})
    found = guards(effective(deployment, planned(deployment)))
    assert found["mail.example.com"] == ""
    later = next(name for name in found if name.startswith("~*"))
    assert re.match(later[2:], "pgweb.example.com") and not re.match(later[2:], "app.example.com")


def test_closed_open_and_named_sites():
    deployment = stack()
    options = {
        "console_access": "closed",
        "console_sites": ["functions.localhost"],
        "console_open": ["mlflow.localhost"],
    }
    found = guards(effective(deployment, planned(deployment, **options)))
    assert (found["prometheus.localhost"], found["functions.localhost"]) == ("nobody", "nobody")
    assert found["mlflow.localhost"] == ""
    found = guards(effective(deployment, planned(deployment, console_access="open", admin_api_access="open")))
    assert set(found) == {"default", "auth.localhost"}
    with pytest.raises(Refused, match=r"no site nope\.localhost"):
        planned(deployment, console_sites=["nope.localhost"])


def test_only_hasuras_paths_for_administrators_are_guarded():
    deployment = stack()
    config = effective(deployment, planned(deployment))
    rules = _paths(config, guards(config)["api.localhost"])
    assert all(rules(path) == "login" for path in ("/v1/metadata", "/v2/query", "/v1alpha1/config", "/console/data"))
    assert not any(rules(path) for path in ("/", "/v1/graphql", "/healthz", "/v1/metadatax", "/api/rest/dev"))


def test_a_server_of_several_services_is_guarded_by_its_paths():
    own = "server { listen 443 ssl; server_name all.example.com; ssl_certificate x;\n"
    own += "location /gql/ { proxy_pass http://hasura:8080/; } location /auth/ { proxy_pass http://auth:4000/; }\n"
    own += "location /metrics/ { proxy_pass http://prometheus:9090; } location / { proxy_pass http://functions:1; } }\n"
    deployment = stack(extra={"sites/own.conf": own})
    config = effective(deployment, planned(deployment))
    rules = _paths(config, guards(config)["all.example.com"])
    assert (rules("/gql/v1/metadata"), rules("/metrics/x")) == ("login", "login")
    assert (rules("/auth/signin/email-password"), rules("/auth/signin/provider/x")) == ("$nself_prod_foreign", "")
    assert not rules("/v1/metadata") and not rules("/console")


def test_renewals_of_certificates_are_let_through_every_guard():
    clear = "server { listen 80; server_name %s; location /.well-known/acme-challenge/ { root /var/acme; }\n"
    clear += "location / { return 301 https://$host$request_uri; } }\n"
    names = ("prometheus.localhost", "functions.localhost", "auth.localhost")
    deployment = stack(extra={"sites/%s.acme.conf" % name: clear % name for name in names})
    config = effective(deployment, planned(deployment, console_sites=["functions.localhost"]))
    assert all(guards(config)[name] for name in names)
    realm = _maps(config)["$nself_prod_realm"]
    # "off" of the realm switches the login off, whichever guard it is.
    assert realm("$nself_prod_guard", "") == "off" and realm("$nself_prod_guard", "login") == "$nself_prod_asks"
    asks = _maps(config)["$nself_prod_asks"]
    assert asks("$request_uri", "/.well-known/acme-challenge/aZ0_-x") == "off"
    for path in (
        "/",
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/../admin",
        "/.well-known/acme-challenge/a%2f..%2fadmin",
        "/admin/%2e%2e/.well-known/acme-challenge/a",
        "/.well-known/acme-challenge/a/b",
        "/.well-known/acme-challenge/a?x=/",
    ):
        assert asks("$request_uri", path) == "Restricted"


def _maps(config):
    """Return {variable: a function that looks it up}, which takes the variable that the map has to be made of and its value."""

    def lookup(block):
        entries = {item.name: item.first for item in block.block}

        def value(source, text):
            assert block.args[0] == source
            found = [what for key, what in entries.items() if key.startswith("~") and re.search(key[1:], text)]
            return entries.get(text, found[0] if found else entries["default"])

        return value

    return {block.args[-1]: lookup(block) for block in http_of(config) if block.name == "map"}


def _paths(config, variable):
    """Return a function that looks a path up in a map as nginx does."""
    block = next(item for item in http_of(config) if item.name == "map" and item.args[-1] == variable)
    entries = [(item.name, item.first) for item in block.block if item.name != "default"]
    return lambda path: next((value for key, value in entries if re.search(key.lstrip("~"), path)), "")


def test_hasura_auth_is_for_named_origins_and_the_sites_of_this_nginx():
    environment = {"HASURA_GRAPHQL_CORS_DOMAIN": "*,http://localhost:*,https://*.example.com"}
    deployment = stack(services={"hasura": {"environment": environment}})
    plan = planned(deployment)
    block = text_of(plan, "http.conf").partition("map $http_origin")[2].partition("\n}")[0]
    assert '"https://api.localhost" ""' in block and "example" in block and "http://localhost" not in block
    assert any("http://localhost:*" in line for line in plan.left)
    block = text_of(planned(deployment, cors_origins=["https://app.example.org"]), "http.conf")
    assert '"https://app.example.org" ""' in block and "example\\.com" not in block


def test_a_wildcard_of_an_origin_covers_names_below_and_nothing_else():
    (entry,) = origin_entries(["https://*.Example.com"])
    expression = re.compile(entry[2:], re.I)
    assert expression.match("https://a.b.example.com") and not expression.match("https://example.com")
    for origin in (
        "https://a.example.com.evil.org",
        "https://aexample.com",
        "http://a.example.com",
        "https://a.example.com:8",
    ):
        assert not expression.match(origin)
    for origin in ("*", "app.example.com", 'https://a"', "https://a.example.com/path", "https://a$b"):
        with pytest.raises(Refused):
            origin_entries([origin])


def test_no_expression_forgets_what_a_location_captured():
    deployment = stack()
    for block in http_of(effective(deployment, planned(deployment))):
        for item in (block.block or ()) if block.name == "map" else ():
            if item.name.startswith("~"):
                assert re.compile(item.name.lstrip("~*")).groups == 0


def test_users_come_as_hashes_into_a_file_that_only_nginx_reads():
    deployment = stack(answers={("nginx", "id"): Completed(0, "33\n", "")})
    plan = planned(deployment, {"NGINX_CONSOLE_USERS": "b:$6$x$y\na:$2y$z\n"})
    item = next(entry for entry in plan.files if entry.path.endswith("/login"))
    assert (item.text, item.mode, item.uid, item.gid, item.secret) == ("a:$2y$z\nb:$6$x$y\n", 0o640, 0, 33, True)
    assert item.services == ()  # read at each request
    for bad in ("ops:plain", "ops", ":$6$x$y"):
        with pytest.raises(Refused, match="nginx_console_users") as caught:
            planned(deployment, {"NGINX_CONSOLE_USERS": bad})
        assert "plain" not in str(caught.value)


def test_our_files_are_those_of_the_containers_users_where_docker_counts_others():
    def remapped(uids, gids, running=True):
        deployment = stack(answers={("nginx", "id"): Completed(0, "101\n", "")}, running=running)
        deployment.host.files.update({"/proc/7/uid_map": uids, "/proc/7/gid_map": gids})
        deployment.host.commands["docker info --format '{{json .SecurityOptions}}'"] = '["name=userns"]'
        if running:
            deployment.containers["nginx"] = {"Id": "1", "State": {"Running": True, "Pid": 7}}
        return deployment

    plan = planned(remapped("0 100000 65536\n", "0 200000 65536\n"))
    item = next(entry for entry in plan.files if entry.path.endswith("/login"))
    assert (item.uid, item.gid) == (100000, 200101)
    assert (".nself-prod/nginx", 0o750, 100000, 200101) in plan.folders
    with pytest.raises(Refused, match="no group 101"):
        planned(remapped("0 100000 65536\n", "0 200000 100\n"))
    with pytest.raises(Refused, match="start it with `docker compose up -d nginx`"):
        planned(remapped("", "", running=False))


def test_a_login_for_everything_that_there_is_already_stays_the_only_one():
    deployment = stack(extra={"conf.d/own.conf": "auth_basic x;\nauth_basic_user_file /etc/nginx/users;\n"})
    one = part(deployment)
    plan = one.plan()
    names = [item.name for item in http_of(effective(deployment, plan))]
    assert names.count("auth_basic") == 1 and any("own.conf line 1: nginx has a login" in line for line in plan.left)
    assert not any(item.refused for item in one._expected)
