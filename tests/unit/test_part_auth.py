# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part auth: which key stays, under which names it stands, and what hasura-auth is told."""

import base64
import json
import shlex
import subprocess

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import jwt
from ansible_collections.nself.prod.plugins.module_utils.change.stack.override import Override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.auth import Auth
from ansible_collections.nself.prod.plugins.module_utils.change.tables import auth as table
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv
from ansible_collections.nself.prod.plugins.module_utils.probe.http import Response

DEMO = "demo-jwt-secret-key-minimum-32-characters-long"
GOOD = "6f1d0a9c4be2f7835d0e1b6a94c8f27305be9d4a7c1f8e0623d5b79a4c0e8f1d2a6b9c3e7f0d5184"
NAME = "HASURA_GRAPHQL_JWT_SECRET"


class FakeStack:
    """A project with Hasura and hasura-auth. running: the environments of its processes; model: of the generated files."""

    def __init__(
        self, running=None, model=None, variables=None, env="", image="nhost/hasura-auth:0.36.0", below="", files=None
    ):
        self.variables = dict(variables or {})
        self.env = env
        self.files = files or {}
        model = dict({"AUTH_CLIENT_URL": "https://app.example.org"}, **(model or {}))
        self.services = {
            "hasura": {"image": "hasura/graphql-engine:v2"},
            "auth": {"image": image, "environment": model},
        }
        self.now = running or {"hasura": {}, "auth": {}}
        self.override = Override(below=below)

    def of(self, role):
        return [name for name in self.services if name == role]

    def running(self, service):
        return True

    def environment(self, service):
        return self.now.get(service, {})

    def read(self, relative):
        return self.env if relative == ".env" else self.files.get(relative)


def options(**given):
    return dict({name: entry.get("default") for name, entry in table.SPEC.items()}, **given)


def part(stack, secrets=None, **given):
    return Auth(stack, options(**given), secrets or {})


def config(key=DEMO, **more):
    return json.dumps(dict({"type": "HS256", "key": key}, **more))


def both(text):
    return {"hasura": {NAME: text}, "auth": {NAME: text}}


def environment_of(plan):
    return plan.fragment["services"]["auth"]["environment"]


# -- the key -------------------------------------------------------------------------------------------------------------


def test_a_weak_key_is_replaced_under_every_name_that_holds_it():
    variables = {
        "AUTH_JWT_SECRET": DEMO,
        "HASURA_JWT_KEY": DEMO,
        "JWT_SECRET": DEMO,
        "OTHER": "x" * 40,
        "HASURA_JWT_TYPE": "",
    }
    plan = part(FakeStack(both(config()), variables=dict(variables, **{NAME: config()}))).plan()
    made = json.loads(plan.settings[NAME])
    assert made["type"] == "HS256" and len(made["key"]) == 128 and made["issuer"] == "hasura-auth"
    assert {name for name, value in plan.settings.items() if value == made["key"]} == {
        "AUTH_JWT_SECRET", "HASURA_JWT_KEY", "AUTH_JWT_KEY", "JWT_SECRET"
    }  # fmt: skip
    assert set(plan.settings) == {NAME, "AUTH_JWT_SECRET", "HASURA_JWT_KEY", "AUTH_JWT_KEY", "JWT_SECRET"}
    assert any("access tokens in use end" in line for line in plan.left)


def test_no_key_stands_in_the_override_or_in_what_is_told():
    plan = part(FakeStack(both(config()), variables={"AUTH_JWT_SECRET": DEMO})).plan()
    shown = json.dumps([plan.fragment, plan.left])
    assert DEMO not in shown and json.loads(plan.settings[NAME])["key"] not in shown
    for service in ("hasura", "auth"):
        assert plan.fragment["services"][service]["environment"][NAME] == "${%s}" % NAME


def test_a_good_key_stays_and_gets_an_issuer():
    plan = part(FakeStack(both(config(GOOD)))).plan()
    assert json.loads(plan.settings[NAME]) == {"type": "HS256", "key": GOOD, "issuer": "hasura-auth"}
    assert not any("access tokens in use end" in line for line in plan.left)


@pytest.mark.parametrize(
    "before, given, ends",
    [
        (config(GOOD), {"auth_jwt": config(GOOD[::-1])}, True),
        (config(GOOD), {"auth_jwt": config(GOOD, issuer="other")}, True),
        (config(GOOD), {"auth_jwt": config(GOOD, type="HS512")}, True),
        (config(GOOD), {"auth_jwt": config(GOOD, issuer="hasura-auth")}, False),
        (config(GOOD, issuer="mine"), {}, False),
    ],
)
def test_that_tokens_end_is_told_whatever_the_reason(before, given, ends):
    left = part(FakeStack(both(before)), given).plan().left
    assert any("access tokens in use end" in line for line in left) is ends


def test_an_issuer_that_is_there_stays_unless_another_is_given():
    stack = FakeStack(both(config(GOOD, issuer="mine")))
    assert json.loads(part(stack).plan().settings[NAME])["issuer"] == "mine"
    assert json.loads(part(stack, jwt_issuer="yours").plan().settings[NAME])["issuer"] == "yours"


def test_the_second_run_wants_what_the_first_one_wrote():
    first = part(FakeStack(both(config()), variables={"AUTH_JWT_SECRET": DEMO})).plan().settings
    env = "".join("%s='%s'\n" % pair for pair in first.items())
    second = part(FakeStack(both(first[NAME]), variables=first, env=env)).plan()
    assert second.settings == first


def test_a_key_that_somebody_wrote_into_env_since_then_wins():
    env = "%s='%s'\n" % (NAME, config(GOOD[::-1]))
    plan = part(FakeStack(both(config(GOOD)), variables={NAME: config(GOOD)}, env=env)).plan()
    assert json.loads(plan.settings[NAME])["key"] == GOOD[::-1]


def test_a_strong_key_that_only_a_dead_name_holds_is_used_instead_of_a_weak_one_that_runs():
    stack = FakeStack(both(config("change-this-secret-in-production")), variables={"HASURA_JWT_KEY": GOOD})
    plan = part(stack).plan()
    assert json.loads(plan.settings[NAME])["key"] == GOOD and plan.settings["AUTH_JWT_SECRET"] == GOOD


def test_where_the_two_differ_the_key_that_signs_stays():
    stack = FakeStack({"hasura": {NAME: config(GOOD[::-1])}, "auth": {NAME: config(GOOD)}})
    assert json.loads(part(stack).plan().settings[NAME])["key"] == GOOD


def test_what_else_the_configuration_says_survives_a_new_key():
    stack = FakeStack(both(config(claims_namespace="https://mine.example.org", issuer="mine")))
    made = json.loads(part(stack).plan().settings[NAME])
    assert made["claims_namespace"] == "https://mine.example.org" and made["issuer"] == "mine" and made["key"] != DEMO


def test_a_weak_key_may_be_kept_and_is_told():
    plan = part(FakeStack(both(config())), jwt_weak="keep").plan()
    assert json.loads(plan.settings[NAME])["key"] == DEMO
    assert any("though weak" in line and "auth_jwt_weak" in line for line in plan.left)


@pytest.mark.parametrize("given", [config(GOOD, issuer="mine"), {"type": "HS256", "key": GOOD, "issuer": "mine"}])
def test_a_given_configuration_is_used(given):
    plan = part(FakeStack(both(config(GOOD[::-1]))), {"auth_jwt": given}).plan()
    assert json.loads(plan.settings[NAME]) == {"type": "HS256", "key": GOOD, "issuer": "mine"}


@pytest.mark.parametrize(
    "given", ["not json", "[]", '{"type": "HS256"}', config("short"), config("a" * 64), config(GOOD, type="none")]
)
def test_a_given_configuration_that_is_none_or_weak_is_refused_without_its_key(given):
    with pytest.raises(Refused) as refused:
        part(FakeStack(both(config(GOOD))), {"auth_jwt": given}).plan()
    assert "auth_jwt" in str(refused.value)
    assert "short" not in str(refused.value).replace("shortest", "") and "a" * 64 not in str(refused.value)


def test_keys_that_come_from_elsewhere_are_left_alone():
    text = '{"jwk_url":"https://id.example.org/jwks"}'
    plan = part(FakeStack(both(text))).plan()
    assert not plan.settings and NAME not in environment_of(plan)
    assert any("jwk_url" in line for line in plan.left)


def test_an_asymmetric_key_is_copied_nowhere(rsa_public):
    stack = FakeStack(both(json.dumps({"type": "RS256", "key": rsa_public})), variables={"AUTH_JWT_SECRET": DEMO})
    plan = part(stack).plan()
    assert set(plan.settings) == {NAME} and json.loads(plan.settings[NAME])["key"] == rsa_public
    assert "\n" not in plan.settings[NAME]


@pytest.fixture(scope="session")
def rsa_public(tmp_path_factory):
    key = tmp_path_factory.mktemp("key") / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    return subprocess.run(
        ["openssl", "rsa", "-in", str(key), "-pubout"], check=True, capture_output=True, text=True
    ).stdout


def test_the_json_is_read_alike_by_the_shell_and_from_env_files():
    value = jwt.text_of({"type": "HS256", "key": 'it\'s $HOME `id` #1! "quoted" \\ é'})
    assert not set("'$`#!\n") & set(value)
    line = "%s='%s'" % (NAME, value)
    assert dotenv.parse(line).values[NAME] == value
    said = subprocess.run(
        ["sh", "-c", line + '; printf %s "$' + NAME + '"'], check=True, capture_output=True, text=True
    )
    assert said.stdout == value and json.loads(value)["key"] == 'it\'s $HOME `id` #1! "quoted" \\ é'
    assert shlex.split(line)[0] == NAME + "=" + value


def test_the_probe_token_is_signed_as_hasura_checks_it():
    head, body, mac = jwt.token({"type": "HS512", "key": GOOD, "issuer": "mine"}, "probe").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert json.loads(base64.urlsafe_b64decode(head + "=="))["alg"] == "HS512"
    assert (
        claims["iss"] == "mine"
        and claims[jwt.CLAIMS]["x-hasura-default-role"] == "probe"
        and claims["exp"] - claims["iat"] <= 60
    )
    made = subprocess.run(
        ["openssl", "dgst", "-sha512", "-hmac", GOOD, "-binary"],
        input=(head + "." + body).encode(),
        capture_output=True,
        check=True,
    ).stdout
    assert base64.urlsafe_b64decode(mac + "==") == made


# -- what hasura-auth is told --------------------------------------------------------------------------------------------


def test_the_defaults_are_what_the_audit_asks_for():
    found = environment_of(part(FakeStack(both(config(GOOD)), variables={"BASE_DOMAIN": "example.org"})).plan())
    expected = {
        "AUTH_ACCESS_TOKEN_EXPIRES_IN": "900",
        "AUTH_REFRESH_TOKEN_EXPIRES_IN": "604800",
        "AUTH_PASSWORD_MIN_LENGTH": "12",
        "AUTH_PASSWORD_HIBP_ENABLED": "true",
        "AUTH_MFA_ENABLED": "true",
        "AUTH_MFA_TOTP_ISSUER": "example.org",
        "AUTH_WEBAUTHN_ENABLED": "true",
        "AUTH_REQUIRE_ELEVATED_CLAIM": "recommended",
        "AUTH_RATE_LIMIT_ENABLE": "true",
        "AUTH_RATE_LIMIT_BRUTE_FORCE_BURST": "5",
        "AUTH_RATE_LIMIT_BRUTE_FORCE_INTERVAL": "15m",
        "AUTH_RATE_LIMIT_SIGNUPS_BURST": "3",
        "AUTH_RATE_LIMIT_SIGNUPS_INTERVAL": "1h",
        "AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED": "true",
        "AUTH_CONCEAL_ERRORS": "true",
        "AUTH_ANONYMOUS_USERS_ENABLED": "false",
        "AUTH_ENABLE_CHANGE_ENV": "false",
        "AUTH_USER_DEFAULT_ROLE": "user",
        "AUTH_USER_DEFAULT_ALLOWED_ROLES": "me,user",
        "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS": "https://app.example.org,https://example.org",
    }
    assert {name: found[name] for name in expected} == expected
    assert "AUTH_DISABLE_SIGNUP" not in found and "AUTH_CLIENT_URL" not in found


def test_redirects_keep_what_is_good_and_tell_what_goes():
    listed = "http://localhost:3000, https://shop.example.org,https://*"
    plan = part(FakeStack(both(config(GOOD)), {"AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS": listed})).plan()
    assert environment_of(plan)["AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"] == "https://shop.example.org"
    assert any("http://localhost:3000, https://*" in line for line in plan.left)


def test_the_demo_has_no_site_of_its_own_and_says_so():
    stack = FakeStack(
        both(config(GOOD)), {"AUTH_CLIENT_URL": "http://localhost:3000"}, {"BASE_DOMAIN": "local.nself.org"}
    )
    plan = part(stack).plan()
    assert "AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS" not in environment_of(plan)
    assert any("auth_redirect_urls" in line for line in plan.left)


def test_frontends_are_sites_of_the_project():
    variables = {"BASE_DOMAIN": "example.org", "FRONTEND_APP_2_ROUTE": "shop", "FRONTEND_APP_1_ROUTE": "app"}
    found = environment_of(part(FakeStack(both(config(GOOD)), variables=variables)).plan())
    assert (
        found["AUTH_ACCESS_CONTROL_ALLOWED_REDIRECT_URLS"]
        == "https://app.example.org,https://example.org,https://shop.example.org"
    )


def test_privileged_roles_are_not_given_to_new_users():
    model = {"AUTH_USER_DEFAULT_ROLE": "admin", "AUTH_USER_DEFAULT_ALLOWED_ROLES": "admin,moderator,member"}
    plan = part(FakeStack(both(config(GOOD)), model)).plan()
    assert environment_of(plan)["AUTH_USER_DEFAULT_ROLE"] == "user"
    assert environment_of(plan)["AUTH_USER_DEFAULT_ALLOWED_ROLES"] == "member,user"
    assert any("admin, moderator" in line for line in plan.left)


def test_a_role_of_the_projects_own_stays_the_default():
    model = {"AUTH_USER_DEFAULT_ROLE": "member", "AUTH_USER_DEFAULT_ALLOWED_ROLES": "member,me"}
    found = environment_of(part(FakeStack(both(config(GOOD)), model)).plan())
    assert (found["AUTH_USER_DEFAULT_ROLE"], found["AUTH_USER_DEFAULT_ALLOWED_ROLES"]) == ("member", "member,me")


def test_a_dollar_is_no_variable():
    found = environment_of(part(FakeStack(both(config(GOOD))), mfa_issuer="A$B").plan())
    assert found["AUTH_MFA_TOTP_ISSUER"] == "A$$B"


def test_a_mail_catcher_and_the_way_out_are_told():
    left = part(FakeStack(both(config(GOOD)), {"AUTH_SMTP_HOST": "mailpit"})).plan().left
    assert any("mailpit" in line and "auth_email_verified" in line for line in left)
    assert any("api.pwnedpasswords.com" in line for line in left)


@pytest.mark.parametrize(
    "given",
    [
        {"rate_limit_login_interval": "15 minutes"},
        {"password_min_length": 2},
        {"mfa_issuer": "a\nb"},
        {"image": "nginx:1"},
    ],
)
def test_what_hasura_auth_would_not_understand_is_refused(given):
    with pytest.raises(Refused, match="auth_" + next(iter(given))):
        part(FakeStack(both(config(GOOD))), **given).plan()


def test_an_image_that_is_no_hasura_auth_is_told_and_can_be_replaced():
    stack = FakeStack(both(config(GOOD)), image="demo-fallback-auth:latest")
    assert any("auth_image" in line for line in part(stack).plan().left)
    plan = part(stack, image="nhost/hasura-auth:0.36.0").plan()
    assert plan.fragment["services"]["auth"]["image"] == "nhost/hasura-auth:0.36.0"
    assert not any("auth_image" in line for line in plan.left)


class Engine:
    """A host whose engine has an image (there 0) or not (1). pulls: whether it reaches a registry."""

    def __init__(self, there, pulls=True):
        self.there, self.pulls = there, pulls
        self.ran = []

    def run(self, argv, **_options):
        self.ran.append(argv[1])
        if argv[1] == "pull" and not self.pulls:
            return Completed(1, "", "Error response from daemon: dial tcp: lookup registry: no such host\n")
        return Completed(self.there if argv[1] == "image" else 0, "", "")


@pytest.mark.parametrize("there, check, pulled", [(0, False, 0), (1, False, 1), (1, True, 0)])
def test_an_image_that_is_not_there_is_fetched_and_in_check_mode_only_told(there, check, pulled):
    stack = FakeStack(both(config(GOOD)))
    stack.host = Engine(there)
    changes = Changes(stack.host, check)
    part(stack, image="nhost/hasura-auth:0.36.0").fetch(changes)
    assert stack.host.ran.count("pull") == pulled and changes.changed is bool(there)


def test_an_image_that_cannot_be_fetched_is_named():
    stack = FakeStack(both(config(GOOD)))
    stack.host = Engine(1, pulls=False)
    changes = Changes(stack.host, False)
    with pytest.raises(
        Refused, match=r"nhost/hasura-auth:0\.36\.0 is not on this host .*no such host.* Nothing was changed$"
    ):
        part(stack, image="nhost/hasura-auth:0.36.0").fetch(changes)
    assert not changes.changed


def test_a_project_without_logins_is_left_alone():
    stack = FakeStack()
    stack.services = {"postgres": {}}
    plan = part(stack).plan()
    assert not plan.fragment and not plan.settings and "no service for logins" in plan.left[0]


def test_what_something_else_overrides_is_found_out():
    stack = FakeStack(both(config(GOOD, issuer="hasura-auth")))
    with pytest.raises(Mismatch, match="AUTH_ACCESS_TOKEN_EXPIRES_IN"):
        part(stack).verify()


# -- whether it is in force ----------------------------------------------------------------------------------------------

REFUSED = '{"errors":[{"extensions":{"path":"$","code":"invalid-jwt"},"message":"Could not verify JWT: JWSError JWSInvalidSignature"}]}'
WELCOME = '{"data":{"__typename":"query_root"}}'


def verified(monkeypatch, below="", login=401, health=200, graphql=WELCOME, **other):
    """Verify a stack that runs with what the part wants, but for `other`. Returns what was asked."""
    text = config(GOOD, issuer="hasura-auth")
    found = part(FakeStack(both(text), below=below))
    plan = found.plan()
    running = {**environment_of(plan), NAME: text, **other}
    found.stack.now = {"hasura": {NAME: text}, "auth": running}
    asked = []

    def ask(self, service, method, path, body=None, headers=()):
        asked.append((service, path, dict(headers)))
        answers = {"/healthz": (health, "OK"), "/signin/email-password": (login, "{}"), "/v1/graphql": (200, graphql)}
        status, answer = answers[path]
        return Response(status, (), answer.encode())

    monkeypatch.setattr(Auth, "_ask", ask)
    found.verify()
    return asked


def test_the_processes_are_asked_and_hasura_takes_a_token_of_the_key(monkeypatch):
    asked = verified(monkeypatch)
    assert [path for _service, path, _headers in asked] == ["/healthz", "/signin/email-password", "/v1/graphql"]
    assert asked[2][2]["Authorization"].startswith("Bearer ")


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"health": 503}, "/healthz"),
        ({"login": 200}, "does not exist"),
        ({"login": 500}, "does not exist"),
        ({"graphql": REFUSED}, "does not take a token"),
        ({"AUTH_MFA_ENABLED": "false"}, "AUTH_MFA_ENABLED"),
        ({NAME: '{"type":"HS256","key":"another"}'}, NAME),
    ],
    ids=str,
)
def test_what_is_not_in_force_is_a_mismatch_without_a_secret(monkeypatch, wrong, words):
    with pytest.raises(Mismatch, match=words) as mismatch:
        verified(monkeypatch, **wrong)
    assert GOOD not in str(mismatch.value)


def test_what_the_user_has_below_our_documents_wins_and_is_told(monkeypatch):
    below = "services:\n  auth:\n    environment: {AUTH_ACCESS_TOKEN_EXPIRES_IN: 300}\n"
    assert verified(monkeypatch, below=below, AUTH_ACCESS_TOKEN_EXPIRES_IN="300")
    left = part(FakeStack(both(config(GOOD)), below=below)).plan().left
    assert any("AUTH_ACCESS_TOKEN_EXPIRES_IN" in line and "wins" in line for line in left)
