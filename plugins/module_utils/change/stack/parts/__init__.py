# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a deployment, one for each role that hardens it, in the order in which their documents are merged and they act."""

from __future__ import annotations

from typing import Tuple, Type

from ansible_collections.nself.prod.plugins.module_utils.change.stack.part import Part
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.auth import Auth
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.containers import Containers
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.hasura import Hasura
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.minio import MinioPart
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.nginx import Nginx
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.postgres_audit import PostgresAudit
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.postgres_tls import PostgresTls
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.redis import RedisPart

PARTS: Tuple[Type[Part], ...] = (Containers, PostgresTls, PostgresAudit, Hasura, Auth, MinioPart, RedisPart, Nginx)
