# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a bucket's policy without what it gives to everybody. Pure functions."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ansible_collections.nself.prod.plugins.module_utils.parse.s3_answers import everybody, many

# What a bucket that is meant to be public may give everybody; audit/checks/minio.py takes no more either.
READING = ("s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation")


def narrowed(policy: Dict[str, Any], public: bool) -> Tuple[Optional[Dict[str, Any]], List[str]]:
    """Return (the policy that is left, None where nothing is, what everybody was allowed and is no more).

    public: reading stays. What is denied, and what is given to somebody, stays in any case.
    """
    kept: List[Any] = []
    taken: List[str] = []
    for statement in many(policy.get("Statement")):
        if not (
            isinstance(statement, dict) and statement.get("Effect") == "Allow" and everybody(statement.get("Principal"))
        ):
            kept.append(statement)
            continue
        actions = [str(action) for action in many(statement.get("Action"))] + (
            ["all but some"] if "NotAction" in statement else []
        )
        stays = _reading(actions) if public else []
        taken += [action for action in actions if action not in stays]
        if stays:
            kept.append(dict({key: item for key, item in statement.items() if key != "NotAction"}, Action=stays))
    if not taken:
        return policy, []
    return (dict(policy, Statement=kept) if kept else None), sorted(set(taken))


def _reading(actions: Sequence[str]) -> List[str]:
    return [name for name in READING if any(fnmatchcase(name, action) for action in actions)]
