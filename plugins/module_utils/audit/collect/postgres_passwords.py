# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be told of the roles' passwords without telling them: the verifiers are tried here and go no further.

Nobody logs in for it: a verifier holds its salt, so whether a known word fits is computed. Tries are bounded, as each costs thousands of
rounds.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional
from urllib.parse import unquote, urlsplit

from ansible_collections.nself.prod.plugins.module_utils.audit.collect.links import inside, root_of
from ansible_collections.nself.prod.plugins.module_utils.audit.collect.postgres_files import known
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.audit.reduce import Reducer
from ansible_collections.nself.prod.plugins.module_utils.audit.tables.secret_names import KNOWN, family_of
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_verifier

OWN = "POSTGRES_PASSWORD"
MOST_ROUNDS = 4096 * 1000  # of the hash, for all roles together: about a second
MOST_HELD = 12  # different passwords that a deployment may hold for its database


def judged(host: Any, need: Any, unit: Mapping[str, Any], sections: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return for each role: role, login, own, method, matches_default, matches_declared, secret.

    own: the role of POSTGRES_USER. matches_declared: whether the password that the deployment declares for it is its password,
    None where none is declared. secret: properties of its password where the deployment holds it, else None.
    """
    project = need("project")
    own_role = str(known(sections, "server")["user"])
    given = _given(host, unit)
    setting = project.settings.get(OWN)
    # A reference to another variable says nothing by itself.
    declared = setting.value if setting and setting.value and "${" not in setting.value else given
    held = list(dict.fromkeys([text for text in (declared, given) if text] + list(_held(project.units))))[:MOST_HELD]
    reducer = Reducer(need.options.fingerprint_key)
    budget = _Budget(MOST_ROUNDS)
    rows = known(sections, "verifiers") or []
    out = []
    for row in sorted(rows, key=lambda item: item["role"] != own_role):
        role, verifier = str(row["role"]), row["verifier"]
        method = pg_verifier.method_of(verifier)
        entry: Dict[str, Any] = {"role": role, "login": row["login"], "own": role == own_role, "method": method}
        entry.update(matches_default=False, matches_declared=None, secret=None)
        if method == pg_verifier.UNKNOWN:
            lost = Unread(Reason.PARSE_ERROR, "a password of PostgreSQL is stored in a way that is not known here")
            entry.update(dict.fromkeys(("matches_default", "matches_declared", "secret"), lost))
        elif method != pg_verifier.NONE:
            entry.update(_tried(budget, verifier, role, held, declared if role == own_role else None, reducer))
        out.append(entry)
    return out


class _Budget:
    """Rounds that may still be spent."""

    def __init__(self, rounds: int) -> None:
        self._left = rounds

    def first(self, verifier: str, role: str, words: Any) -> Optional[str]:
        """Return the first of the words that fits, None where none does. Raises OverflowError when the rounds are spent."""
        for word in words:
            self._left -= pg_verifier.iterations_of(verifier)
            if self._left < 0:
                raise OverflowError
            if pg_verifier.fits(verifier, role, word):
                return str(word)
        return None


def _tried(
    budget: _Budget, verifier: str, role: str, held: List[str], declared: Optional[str], reducer: Reducer
) -> Dict[str, Any]:
    out: Dict[str, Any] = {}
    try:
        fitting = budget.first(verifier, role, held)
        out["secret"] = reducer.secret(fitting, "postgres", True) if fitting is not None else None
        out["matches_declared"] = None if declared is None else fitting == declared
        if fitting is not None:
            out["matches_default"] = fitting.lower() in KNOWN or fitting.lower() == role.lower()
        else:
            # A role's own name is the default that everybody tries first.
            out["matches_default"] = budget.first(verifier, role, [role] + sorted(KNOWN)) is not None
    except pg_verifier.Unsupported as error:
        out.clear()
        out.update(dict.fromkeys(("secret", "matches_declared", "matches_default"), Unread(Reason.ERROR, str(error))))
    except OverflowError:
        lost = Unread(
            Reason.TIMEOUT, "too many passwords, or too many rounds of each, to try the defaults on all of them"
        )
        for key in ("secret", "matches_declared", "matches_default"):
            out.setdefault(key, lost)
    return out


def _given(host: Any, unit: Mapping[str, Any]) -> Optional[str]:
    """Return the password that the container was started with, also out of a file."""
    environment = unit["environment"]
    path = environment.get(OWN + "_FILE")
    if environment.get(OWN) or not path:
        return environment.get(OWN) or None
    try:
        return str(host.read(inside(host, root_of(unit["pid"]), path))).rstrip("\n") or None
    except HostError:
        return None


def _held(units: Any) -> Iterator[str]:
    """Yield the passwords that the deployment's services hold for a PostgreSQL."""
    for unit in units if isinstance(units, list) else []:
        for name, value in sorted(unit["environment"].items()):
            if value.startswith(("postgres://", "postgresql://")):
                try:
                    password = urlsplit(value).password
                except ValueError:
                    continue
                if password:
                    yield password
                    if "%" in password:
                        yield unquote(password)
            elif value and family_of(name) == "postgres":
                yield value
