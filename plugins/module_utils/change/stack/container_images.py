# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pin what runs: a floating tag brings anything with the next pull."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.deployment.images import full, is_exact, split

NO_DIGEST = "have floating tags, and their images have no digest, since they were not pulled from a registry; name exact tags where they are set"
STALE = "run another image than their files name; start them anew, then they can be pinned"
NOT_HERE = "have floating tags, and their images are not on this host; pull them, then they can be pinned"


def pinned(wanted: str, made_from: str, image: Mapping[str, Any]) -> Tuple[Optional[str], str]:
    """Return (the reference to pin to, None where nothing is to be set; what is left to say).

    wanted: the image that the files name; made_from: the reference that the container was made from; image: docker image inspect of what
    is to be pinned, {} where it is not on the host.
    """
    if not wanted or is_exact(wanted):
        return None, ""
    name = full(wanted).rpartition(":")[0]
    if made_from and full("%s:%s" % split(made_from) if split(made_from)[1] else made_from) != full(wanted):
        return None, STALE
    digests = [str(entry) for entry in image.get("RepoDigests") or []]
    mine = [entry.partition("@")[2] for entry in digests if full(entry).partition("@")[0] == name]
    if not mine:
        return None, NO_DIGEST if image else NOT_HERE
    return "%s@%s" % (wanted, mine[0]), ""


def summed(reasons: Mapping[str, str]) -> List[str]:
    """Return one line for each reason. reasons: {service: why it is not pinned}."""
    return [
        "%s %s" % (", ".join(sorted(name for name, text in reasons.items() if text == reason)), reason)
        for reason in sorted(set(reasons.values()))
    ]


def inspect(host: Any, name: str) -> Dict[str, Any]:
    """Return docker image inspect of an image by its name, {} where it is not on the host. Raises HostError."""
    done = host.run(["docker", "image", "inspect", "--", name], timeout=20)
    return dict((json.loads(done.out) or [{}])[0]) if name and done.rc == 0 else {}
