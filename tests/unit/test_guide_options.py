# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nself's settings to options: what counts where several say something, what is refused, and what the audit may rely on."""

import pathlib

import pytest
import yaml
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import guide_settings
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import is_secret_name
from ansible_collections.nself.prod.plugins.module_utils.change.stack import guide_options as guide
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts import PARTS
from ansible_collections.nself.prod.plugins.module_utils.change.tables import guide_options as table
from ansible_collections.nself.prod.plugins.module_utils.deployment.guide import find

ROLES = pathlib.Path(__file__).resolve().parents[2] / "roles"
SPEC = {
    "access_token_seconds": {"type": "int", "default": 900},
    "password_min_length": {"type": "int", "default": 12},
    "elevated_claim": {"type": "str", "default": "recommended"},
    "rate_limit_login_interval": {"type": "str", "default": "15m"},
    "mfa_issuer": {"type": "str"},
    "default_role": {"type": "str"},
    "redirect_urls": {"type": "list"},
}


def options(source=guide.SETTINGS, **settings):
    found, refused = guide.options_of(settings, source)
    assert refused == []
    return found


def refused(source=guide.SETTINGS, **settings):
    return guide.options_of(settings, source)[1]


# -- the table -----------------------------------------------------------------------------------------------------------


def test_every_rule_is_of_a_setting_that_the_audit_knows_too():
    for rule in table.RULES:
        name = rule.name.replace("*", "X")
        assert find(name) is not None, rule.name
        assert rule.option or rule.instead, rule.name
        assert not is_secret_name(name) or not rule.option, "%s is a secret: it travels as one" % rule.name


@pytest.mark.parametrize("rule", [rule for rule in table.RULES if rule.option], ids=lambda rule: rule.name)
def test_every_rule_leads_to_an_option_of_its_part(rule):
    assert rule.part in table.ALL_PARTS
    for part in PARTS:
        if part.name == rule.part:
            assert rule.option in part.SPEC


def test_every_setting_that_some_environment_governs_is_followed_or_says_why_not():
    without = []
    for entry in guide_settings.SETTINGS:
        if entry.verdict != guide_settings.UNSUPPORTED and entry.kind != guide_settings.SECRET:
            if not guide.rules_of(entry.name) and not is_secret_name(entry.name):
                without.append(entry.name)
    assert without == []


def test_no_family_hides_a_rule():
    for rule in table.RULES:
        if "*" not in rule.name:
            assert rule in guide.rules_of(rule.name)


# -- values --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, value, part, option, expected",
    [
        ("AUTH_ACCESS_TOKEN_EXPIRY", "15m", "auth", "access_token_seconds", 900),
        ("AUTH_REFRESH_TOKEN_EXPIRY", "7d", "auth", "refresh_token_seconds", 604800),
        ("AUTH_PASSWORD_MIN_LENGTH", 14, "auth", "password_min_length", 14),
        ("AUTH_RATE_LIMIT_ENABLED", True, "auth", "rate_limit", True),
        ("AUTH_RATE_LIMIT_LOGIN_MAX", "5", "auth", "rate_limit_login_burst", 5),
        ("AUTH_RATE_LIMIT_LOGIN_WINDOW", "900", "auth", "rate_limit_login_interval", "900s"),
        (
            "AUTH_ALLOWED_REDIRECT_URLS",
            "https://a.org, https://b.org",
            "auth",
            "redirect_urls",
            ["https://a.org", "https://b.org"],
        ),
        ("AUTH_ALLOWED_REDIRECT_URLS", ["https://a.org"], "auth", "redirect_urls", ["https://a.org"]),
        ("HASURA_GRAPHQL_WS_CONNECTION_INIT_TIMEOUT", "10s", "hasura", "websocket_init_timeout", 10),
        ("POSTGRES_SSL_MODE", "VERIFY-FULL", "postgres_tls", "client_mode", "verify-full"),
        ("POSTGRES_SSL_REQUIRED", False, "postgres_tls", "required", False),
        ("POSTGRES_SSL_REQUIRED", "on", "postgres_tls", "required", True),
        ("POSTGRES_LOG_LINE_PREFIX", "%m %p %u@%d %h", "postgres_tls", "log_line_prefix", "%m %p %u@%d %h "),
        (
            "POSTGRES_ALLOWED_HOSTS",
            "10.0.0.0/8 192.0.2.1",
            "postgres_tls",
            "allowed_hosts",
            ["10.0.0.0/8", "192.0.2.1"],
        ),
        ("AUDIT_LOG_RETENTION", "90d", "postgres_audit", "retention_days", 90),
        ("REDIS_MEMORY_LIMIT", "256m", "containers", "limits", {"redis": {"memory": "256m"}}),
        ("CONTAINER_CPU_LIMIT", "0.5", "containers", "limits", {"container": {"cpus": "0.5"}}),
        ("CONTAINER_READ_ONLY", "true", "containers", "read_only", True),
        ("HSTS_MAX_AGE", "31536000", "nginx", "hsts_max_age", 31536000),
        ("HSTS_ENABLED", "false", "nginx", "hsts_max_age", 0),
        ("SSL_PROTOCOLS", "TLSv1.2 TLSv1.3", "nginx", "tls_protocols", ["TLSv1.2", "TLSv1.3"]),
        ("X_FRAME_OPTIONS", "deny", "nginx", "frame_options", "DENY"),
        (
            "CSP_SCRIPT_SRC",
            "'self' https://cdn.example.org",
            "nginx",
            "csp",
            {"script_src": "'self' https://cdn.example.org"},
        ),
        ("NGINX_RATE_LIMIT", "10r/s", "nginx", "rate_limits", {"general": "10r/s"}),
        ("RATE_LIMIT_AUTH", "5 per minute", "nginx", "rate_limits", {"sign_in": "5r/m"}),
    ],
)
def test_a_setting_becomes_what_the_option_takes(name, value, part, option, expected):
    assert options(**{name: value})[part][option] == expected


def test_limits_of_several_services_are_one_option():
    found = options(REDIS_MEMORY_LIMIT="256m", REDIS_CPU_LIMIT="0.5", POSTGRES_MEMORY_LIMIT="1g")
    assert found["containers"]["limits"] == {"redis": {"memory": "256m", "cpus": "0.5"}, "postgres": {"memory": "1g"}}


def test_origins_are_for_hasura_and_for_nginx():
    found = options(CORS_ALLOWED_ORIGINS="https://app.example.org")
    assert found["hasura"]["cors_domains"] == found["nginx"]["cors_origins"] == ["https://app.example.org"]


def test_what_a_part_does_anyway_is_accepted_and_the_contrary_is_not():
    assert options(CONTAINER_RUN_AS_NON_ROOT="true", CSP_ENABLED="true") == {"containers": {}, "nginx": {}}
    assert "nginx_csp" in refused(CSP_ENABLED="false")[0]
    assert "containers_published_ports" in refused(EXPOSE_INTERNAL_PORTS="true")[0]


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"AUTH_ACCESS_TOKEN_EXPIRY": "soon"}, "AUTH_ACCESS_TOKEN_EXPIRY=soon"),
        ({"AUTH_REQUIRE_ELEVATED_CLAIM": "always"}, "disabled, recommended, required"),
        ({"AUTH_PASSWORD_HISTORY": 5}, "AUTH_PASSWORD_MIN_LENGTH"),
        ({"AUTH_PASSWORD_MIN_LENGHT": 12}, "did you mean AUTH_PASSWORD_MIN_LENGTH"),
        ({"AUTH_ACCOUNT_LOCKOUT_DURATION": "15m"}, "AUTH_RATE_LIMIT_BRUTE_FORCE"),
        ({"AUTH_ACCES_TOKEN_EXPIRY": "15m"}, "did you mean AUTH_ACCESS_TOKEN_EXPIRY"),
        ({"SOMETHING_ELSE": "1"}, "no setting that anything reads"),
        ({"BACKUP_ENCRYPTION": "true"}, "nothing reads it"),
        ({"CONTAINER_USER": "1000"}, "containers_users"),
        ({"SSL_PROVIDER": "letsencrypt"}, "no role"),
        (
            {"AUTH_RATE_LIMIT_ENABLED": "true", "AUTH_RATE_LIMIT_ENABLE": "false"},
            "AUTH_RATE_LIMIT_ENABLE, which counts",
        ),
    ],
    ids=str,
)
def test_what_nobody_can_make_true_is_refused_with_the_nearest_thing(settings, words):
    found = refused(**settings)
    assert len(found) == 1 and words in found[0] and found[0].startswith("nself_settings"), found


def test_the_env_files_may_hold_anything_and_what_is_in_vain_is_told():
    told = refused(
        guide.ENV_FILES,
        FOO="1",
        PROJECT_NAME="a",
        AUTH_PASSWORD_HISTORY="5",
        POSTGRES_PASSWORD="x",
        AUTH_MFA_ENABLED="${X}",
    )
    assert len(told) == 1 and "AUTH_PASSWORD_HISTORY" in told[0]


def test_a_secret_among_settings_that_nobody_takes_is_refused_without_its_value():
    found = guide.unknown_secrets(
        ["HASURA_JWT_KEY", "BACKUP_ENCRYPTION_KEY", "GRAFANA_ADMIN_PASSWORD"], ["HASURA_JWT_KEY"]
    )
    assert len(found) == 2 and all(line.startswith("nself_settings") for line in found)


# -- which counts --------------------------------------------------------------------------------------------------------


def test_a_roles_variable_counts_more_than_a_setting_and_that_more_than_the_env_files():
    sources = ({"password_min_length": 20}, {"password_min_length": 16}, {"password_min_length": 14})
    for number, expected in enumerate((20, 16, 14, 12)):
        layers = [source if place >= number else {} for place, source in enumerate(sources)]
        assert guide.merge("auth", SPEC, *layers)[0]["password_min_length"] == expected


def test_a_setting_that_is_asked_for_may_be_weaker_than_the_default():
    assert guide.merge("auth", SPEC, {}, {"access_token_seconds": 3600}, {})[0]["access_token_seconds"] == 3600


@pytest.mark.parametrize(
    "option, weaker, stricter",
    [
        ("access_token_seconds", 3600, 300),
        ("password_min_length", 8, 16),
        ("elevated_claim", "disabled", "required"),
        ("rate_limit_login_interval", "5m", "1h"),
    ],
)
def test_the_env_files_may_only_make_it_stricter(option, weaker, stricter):
    name = next(rule.name for rule in table.RULES if rule.option == option)
    found, told = guide.merge("auth", SPEC, {}, {}, {option: weaker}, [name])
    assert found[option] == SPEC[option]["default"]
    assert len(told) == 1 and name in told[0] and "auth_" + option in told[0]
    found, told = guide.merge("auth", SPEC, {}, {}, {option: stricter}, [name])
    assert found[option] == stricter and told == []


@pytest.mark.parametrize(
    "option, default, weak, good",
    [
        ("csp", None, "default-src *", "default-src 'self'"),
        ("tls_protocols", ["TLSv1.2", "TLSv1.3"], ["TLSv1", "TLSv1.2"], ["TLSv1.3"]),
        ("tls_ciphers", "A:B:C", "A:D", "B:A"),
        ("frame_options", "SAMEORIGIN", "ALLOW-FROM x", "DENY"),
        ("referrer_policy", "strict-origin-when-cross-origin", "unsafe-url", "no-referrer"),
        ("permissions_policy", "camera=()", "camera=*", "camera=(), usb=()"),
        ("hsts_max_age", 31536000, 0, 63072000),
    ],
)
def test_headers_of_the_env_files_are_taken_where_they_protect(option, default, weak, good):
    spec = {option: {"type": "raw", "default": default}}
    assert guide.merge("nginx", spec, {}, {}, {option: good})[0][option] == good
    found, told = guide.merge("nginx", spec, {}, {}, {option: weak})
    assert found[option] == default and len(told) == 1


def test_parts_of_a_policy_and_rates_are_judged_each_for_itself():
    env = {
        "CSP_SCRIPT_SRC": "'self' 'unsafe-eval'",
        "CSP_STYLE_SRC": "'self' 'unsafe-inline'",
        "RATE_LIMIT_API": "100r/s",
        "RATE_LIMIT_AUTH": "5r/m",
    }
    found, told = guide.options_of(env, guide.ENV_FILES)
    assert found["nginx"] == {"csp": {"style_src": "'self' 'unsafe-inline'"}, "rate_limits": {"sign_in": "5r/m"}}
    assert len(told) == 2 and "CSP_SCRIPT_SRC" in told[0] and "RATE_LIMIT_API" in told[1]
    assert options(**env)["nginx"]["rate_limits"]["graphql"] == "100r/s"


def test_a_whole_policy_and_parts_of_one_are_not_mixed():
    assert "which counts" in refused(CSP_POLICY="default-src 'self'", CSP_IMG_SRC="*")[0]


@pytest.mark.parametrize(
    "key",
    ["00" * 32, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "nself:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],
)
def test_the_guides_master_key_becomes_minios(key):
    found = guide.real_secrets({"MINIO_SSE_MASTER_KEY": key, "REDIS_PASSWORD": "x"})
    assert found == {
        "MINIO_KMS_SECRET_KEY": "nself:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "REDIS_PASSWORD": "x",
    }


def test_a_master_key_that_is_none_is_refused_without_its_value():
    with pytest.raises(ValueError, match="MINIO_SSE_MASTER_KEY") as error:
        guide.real_secrets({"MINIO_SSE_MASTER_KEY": "secret-word"})
    assert "secret-word" not in str(error.value)


def test_the_env_files_give_nobody_a_privileged_role_and_no_foreign_site():
    env = {
        "default_role": "admin",
        "redirect_urls": ["http://localhost:3000", "https://app.example.org"],
        "mfa_issuer": "Mine",
    }
    found, told = guide.merge("auth", SPEC, {}, {}, env)
    assert found["default_role"] is None and found["mfa_issuer"] == "Mine"
    assert found["redirect_urls"] == ["https://app.example.org"]
    assert len(told) == 2


def test_mappings_are_merged_by_what_they_say_of_each():
    spec = {"limits": {"type": "dict", "default": {}}}
    given, settings = (
        {"limits": {"redis": {"memory": "1g"}}},
        {"limits": {"redis": {"memory": "2g", "cpus": 1}, "auth": {"cpus": 2}}},
    )
    found, _told = guide.merge("containers", spec, given, settings, {})
    assert found["limits"] == {"redis": {"memory": "1g", "cpus": 1}, "auth": {"cpus": 2}}


# -- what the audit may rely on ------------------------------------------------------------------------------------------


def test_only_what_is_true_as_it_is_declared_is_remembered():
    declared = {
        "AUTH_ACCESS_TOKEN_EXPIRY": "15m",
        "AUTH_REFRESH_TOKEN_EXPIRY": "30d",
        "AUTH_RATE_LIMIT_ENABLED": "yes",
        "AUTH_ALLOWED_REDIRECT_URLS": "https://b.org,https://a.org",
        "HSTS_MAX_AGE": "31536000",
    }
    made = {
        "access_token_seconds": 900,
        "refresh_token_seconds": 604800,
        "rate_limit": True,
        "redirect_urls": ["https://a.org", "https://b.org"],
    }
    found = guide.in_force("auth", made, declared)
    assert set(found) == {"AUTH_ACCESS_TOKEN_EXPIRY", "AUTH_RATE_LIMIT_ENABLED", "AUTH_ALLOWED_REDIRECT_URLS"}
    assert found["AUTH_ACCESS_TOKEN_EXPIRY"] == "15m"


def test_what_a_part_reads_by_itself_is_remembered_where_it_says_so():
    declared = {"REDIS_MEMORY_LIMIT": "256m", "NOSUCH_MEMORY_LIMIT": "1g"}
    assert guide.in_force("containers", {"limits": {}}, declared, ["REDIS_MEMORY_LIMIT"]) == {
        "REDIS_MEMORY_LIMIT": "256m"
    }
    told = {"limits": {"redis": {"memory": "1g"}}}
    assert guide.in_force("containers", told, declared, ["REDIS_MEMORY_LIMIT"]) == {}
    assert guide.in_force("hasura", {}, {"HASURA_GRAPHQL_CORS_DOMAIN": "*"}, ["HASURA_GRAPHQL_CORS_DOMAIN"]) == {}


def test_no_secret_is_ever_remembered():
    variables = {"HASURA_JWT_KEY": "k" * 64, "AUTH_JWT_ISSUER": "mine", "AUTH_MFA_TOTP_ISSUER": "${NAME}", "FOO": "1"}
    assert guide.declared_for("auth", variables) == {"AUTH_JWT_ISSUER": "mine"}


@pytest.mark.parametrize(
    "name, parts, expected",
    [
        ("AUTH_MFA_ENABLED", ["auth"], True),
        ("AUTH_MFA_ENABLED", ["nginx"], False),
        ("AUTH_PASSWORD_HISTORY", ["auth"], True),
        ("AUTH_PASSWORD_HISTORY", ["redis"], False),
        ("POSTGRES_LOG_STATEMENT", ["postgres_tls"], True),
        ("BACKUP_ENCRYPTION", ["redis"], False),
        ("BACKUP_ENCRYPTION", ["redis", "auth"], True),
        ("PROJECT_NAME", ["redis", "auth"], False),
    ],
)
def test_a_role_alone_tells_of_its_own_settings_only(name, parts, expected):
    assert guide.concerns(name, parts) is expected


@pytest.mark.parametrize(
    "rule", [rule for rule in table.RULES if rule.option and not rule.key], ids=lambda rule: rule.name
)
def test_a_variable_that_a_setting_governs_too_has_no_default_in_its_role(rule):
    """Else the role's default would always count more than the setting."""
    spec = ROLES / rule.part / "meta/argument_specs.yml"
    if not spec.is_file() or rule.kind == table.ONLY:
        return
    found = yaml.safe_load(spec.read_text(encoding="utf-8"))["argument_specs"]["main"]["options"]
    variable = "%s_%s" % (rule.part, rule.option)
    assert variable in found and "default" not in found[variable]


def test_of_the_env_files_only_a_prefix_that_tells_enough_counts_and_tls_that_is_required():
    spec = {"required": {"default": True}, "log_line_prefix": {"default": "%m [%p] user=%u,db=%d,client=%h "}}

    def counts(**settings):
        found = options(guide.ENV_FILES, **settings)["postgres_tls"]
        return guide.merge("postgres_tls", spec, {}, {}, found, list(settings))

    assert counts(POSTGRES_LOG_LINE_PREFIX="%t %p %u %d %r")[0]["log_line_prefix"] == "%t %p %u %d %r "
    taken, told = counts(POSTGRES_LOG_LINE_PREFIX="%t [%p]", POSTGRES_SSL_REQUIRED="false")
    assert taken == {name: entry["default"] for name, entry in spec.items()}
    assert len(told) == 2 and "POSTGRES_LOG_LINE_PREFIX" in "".join(told) and "POSTGRES_SSL_REQUIRED" in "".join(told)
