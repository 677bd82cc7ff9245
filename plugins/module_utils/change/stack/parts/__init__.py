# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a deployment, one for each role that hardens it, in the order in which their documents are merged and they act."""

from __future__ import annotations

PARTS = ()  # type: tuple
