# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part auth: hasura-auth's settings, and the JWT configuration that it shares with Hasura."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any, Dict, List, Optional, Set, Tuple

from ansible_collections.nself.prod.plugins.module_utils.audit.checks.jwt import NAME
from ansible_collections.nself.prod.plugins.module_utils.audit.checks.networks import REAL_AUTH
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes, command
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import jwt, reach
from ansible_collections.nself.prod.plugins.module_utils.change.stack.auth_settings import environment
from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part, Plan, literal
from ansible_collections.nself.prod.plugins.module_utils.change.tables import auth as table
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import dotenv
from ansible_collections.nself.prod.plugins.module_utils.probe.http import Response, request

PROBE_ROLE = "nself_prod_probe"  # a role that nobody has a permission for
GIVEN_KEYS = ("HASURA_JWT_KEY", "AUTH_JWT_SECRET")  # the guide's names, where they are given as settings
PULL = 600.0  # seconds for an image
OVER = ": access tokens in use end at once; applications fetch new ones with their refresh token, else users log in once more"
REFUSES = ("invalid-jwt", "jwt-invalid-claims", "jwt-missing-role-claims", "invalid-headers")


class Auth(Part):
    """What the role auth does."""

    name = "auth"
    SPEC = table.SPEC
    SECRETS = ("auth_jwt", NAME) + GIVEN_KEYS

    _choice: Optional[jwt.Choice] = None

    # -- what is wanted ----------------------------------------------------------------------------------------------

    def plan(self) -> Plan:
        """Return the environment of hasura-auth and Hasura, and the key under all its names."""
        plan = Plan()
        names = self.stack.of("auth")
        if not names:
            plan.left.append("the project has no service for logins, so nothing of auth was set up")
            return plan
        services: Dict[str, Any] = {}
        for name in names:
            wanted, told = self._environment(name)
            services[name] = {"environment": {key: literal(value) for key, value in sorted(wanted.items())}}
            plan.left += [line for line in told if line not in plan.left]
            mine = sorted(set(wanted) & self._below())
            if mine:
                plan.left.append("%s: your own %s in the override file wins" % (name, ", ".join(mine)))
            self._image(name, services[name], plan.left)
        for name, text in self._jwt(plan).items():
            services.setdefault(name, {}).setdefault("environment", {})[NAME] = text
        plan.fragment = {"services": services}
        return plan

    def _environment(self, service: str) -> Tuple[Dict[str, str], List[str]]:
        # What the generated files say, not what runs: what a role once set goes when its variable does.
        now = self.stack.services.get(service, {}).get("environment") or {}
        present = {name: str(value) for name, value in now.items() if value is not None}
        return environment(self.options, present, self.stack.variables)

    def _below(self) -> Set[str]:
        """Return the names in what the user has below our documents, which wins."""
        return set(re.findall(r"[A-Z][A-Z0-9_]+", self.stack.override.below))

    def _image(self, service: str, entry: Dict[str, Any], left: List[str]) -> None:
        image = str(self.options.get("image") or "")
        if image:
            if not _is_real(image):
                raise Refused("auth_image: %s is no image of %s" % (image, REAL_AUTH))
            entry["image"] = literal(image)
        elif not _is_real(str(self.stack.services.get(service, {}).get("image") or "")):
            left.append("%s runs no image of %s, so it checks nothing of this: give auth_image" % (service, REAL_AUTH))

    def _jwt(self, plan: Plan) -> Dict[str, str]:
        """Return {service: what stands for its JWT configuration}, and put the configuration into the plan's settings."""
        found = self._found()
        choice = self._chosen(found)
        if choice.config.get("jwk_url") and not self.options.get("jwt_issuer"):
            plan.left.append(
                "Hasura takes its keys from a jwk_url, so the JWT configuration stays as it is: give auth_jwt_issuer for a check of who signs"
            )
            return {}
        if choice.weak:
            plan.left.append("the JWT key stays, though weak (%s): auth_jwt_weak: replace mends it" % choice.weak)
        if choice.made:
            plan.left.append("the JWT key was weak, and a new one takes its place" + OVER)
        elif self._ends_tokens(choice):
            plan.left.append("the JWT key, its algorithm or the issuer is another one" + OVER)
        plan.settings.update(jwt.settings_of(choice, self.stack.variables, jwt.keys_of(found)))
        return {name: "${%s}" % NAME for role in ("hasura", "auth") for name in self.stack.of(role)}

    def _ends_tokens(self, choice: jwt.Choice) -> bool:
        """Tell whether tokens that hasura-auth signed until now are refused."""
        for service in self.stack.of("auth"):
            now = jwt.parse(self.stack.environment(service).get(NAME, ""))
            if now is not None:
                now = dict(now, issuer=now.get("issuer") or table.DEFAULT_ISSUER)
                return any(now.get(name) != choice.config.get(name) for name in ("key", "type", "issuer"))
        return False

    def _chosen(self, found: List[Dict[str, Any]]) -> jwt.Choice:
        # Once a run: a key that is made has to be the same however often it is asked for.
        if self._choice is None:
            keep = self.options.get("jwt_weak") == "keep"
            name, given = self._given()
            if given and jwt.problem(given) and not keep:
                raise Refused(
                    "%s is refused (%s): give a key of `openssl rand -hex 64`, or auth_jwt_weak: keep"
                    % (name, jwt.problem(given))
                )
            self._choice = jwt.choose(
                [given] if given else found,
                self.options.get("jwt_issuer"),
                keep,
                table.DEFAULT_ISSUER,
                self.options.get("jwt_type"),
            )
        return self._choice

    def _given(self) -> Tuple[str, Optional[Dict[str, Any]]]:
        """Return (its name, the configuration) that the user gave, whole or as a bare key of the guide. Raises Refused for what is none."""
        for name in ("auth_jwt", NAME):
            if self.secrets.get(name):
                config = jwt.parse(self.secrets[name])
                if config is None:
                    raise Refused("%s is refused: it has to be {type: HS256, key: …, issuer: …}" % name)
                return name, config
        name = next((name for name in GIVEN_KEYS if self.secrets.get(name)), "")
        kind = self.options.get("jwt_type") or jwt.GENERATED_TYPE
        return name, jwt.of_key(str(self.secrets[name]), str(kind)) if name else None

    def _found(self) -> List[Dict[str, Any]]:
        """Return the configurations that are about, the one that counts most first."""
        own = dotenv.parse(self.stack.read(".env") or "").values
        running = [
            self.stack.environment(name).get(NAME, "") for role in ("auth", "hasura") for name in self.stack.of(role)
        ]
        texts = [own.get(NAME, "")] + running + [self.stack.variables.get(NAME, "")]
        return jwt.candidates(texts, self.stack.variables)

    def fetch(self, changes: Changes) -> None:
        """Fetch the image that is asked for. Raises Refused where it cannot be had."""
        image = str(self.options.get("image") or "")
        if not image or not self.stack.of("auth"):
            return
        if self.stack.host.run(["docker", "image", "inspect", "--format", "{{.Id}}", "--", image], timeout=20).rc == 0:
            return
        try:
            if not changes.check:
                command(self.stack.host, ["docker", "pull", "--quiet", image], timeout=PULL)
        except ChangeError as error:
            raise Refused(
                "auth_image: %s is not on this host and cannot be fetched (%s); see to it that `docker pull %s` works, or bring it by "
                "`docker load`. Nothing was changed" % (image, error, image)
            ) from None
        changes.note("the image %s is pulled" % image)

    # -- and whether it is in force ----------------------------------------------------------------------------------

    def verify(self) -> None:
        """Ask the running processes. Raises Mismatch."""
        choice = self._chosen(self._found())
        for service in self.stack.of("auth"):
            if self.stack.running(service):
                self._verify_environment(service)
                self._verify_answers(service)
        if not choice.config.get("jwk_url") and NAME not in self._below():
            self._verify_key(choice)

    def _verify_environment(self, service: str) -> None:
        now, wanted = self.stack.environment(service), self._environment(service)[0]
        wrong = sorted(name for name in set(wanted) - self._below() if now.get(name) != wanted[name])
        if wrong:
            raise Mismatch("%s runs with another %s: something else sets it" % (service, ", ".join(wrong)))

    def _verify_answers(self, service: str) -> None:
        prefix = self.stack.environment(service).get("AUTH_API_PREFIX", "").rstrip("/")
        answer = self._ask(service, "GET", prefix + "/healthz")
        if answer.status != 200:
            raise Mismatch("%s answers %d at /healthz" % (service, answer.status))
        login = {"email": "nobody@nself-prod.invalid", "password": secrets.token_urlsafe(24)}
        answer = self._ask(service, "POST", prefix + "/signin/email-password", login)
        if not 400 <= answer.status < 500:
            raise Mismatch("%s answers %d to a login of somebody who does not exist" % (service, answer.status))

    def _verify_key(self, choice: jwt.Choice) -> None:
        holders = [name for role in ("hasura", "auth") for name in self.stack.of(role) if self.stack.running(name)]
        for service in holders:
            if jwt.parse(self.stack.environment(service).get(NAME, "")) != dict(choice.config):
                raise Mismatch("%s runs with another %s: something else sets it" % (service, NAME))
        for service in self.stack.of("hasura"):
            if self.stack.running(service) and jwt.can_be_proven(choice.config):
                token = jwt.token(choice.config, PROBE_ROLE)
                answer = self._ask(
                    service, "POST", "/v1/graphql", {"query": "{__typename}"}, (("Authorization", "Bearer " + token),)
                )
                if answer.status >= 500 or _refused(answer.text):
                    raise Mismatch("%s does not take a token that is signed with the key of %s" % (service, NAME))

    def _ask(
        self, service: str, method: str, path: str, body: Any = None, headers: Tuple[Tuple[str, str], ...] = ()
    ) -> Response:
        port = self.stack.environment(service).get(*_PORTS["hasura" if service in self.stack.of("hasura") else "auth"])
        try:
            stream = self.stack.host.connect(reach.address(self.stack, service), int(str(port)), 5.0)
            text = json.dumps(body) if body is not None else ""
            return request(
                stream, method, path, service, headers + ((("Content-Type", "application/json"),) if text else ()), text
            )
        except (HostError, ValueError) as error:
            raise Mismatch("%s does not answer at %s: %s" % (service, path, error)) from error


_PORTS = {"auth": ("AUTH_PORT", table.PORT), "hasura": ("HASURA_GRAPHQL_SERVER_PORT", "8080")}


def _is_real(image: str) -> bool:
    return re.split(r"[:@]", image.rsplit("/", 1)[-1])[0].lower() == REAL_AUTH


def _refused(text: str) -> bool:
    """Tell whether an answer of Hasura says that it does not believe a token."""
    try:
        errors = json.loads(text).get("errors") or []
        return any((item.get("extensions") or {}).get("code") in REFUSES for item in errors)
    except (ValueError, AttributeError):
        return False
