# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part's options as the module reads them; with a Python that Ansible does not run on, those given over the defaults of its SPEC."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.change.stack import deployment


def options_of(part, *given):
    try:
        return deployment.options_of(part, *given)
    except ModuleNotFoundError:
        values = {name: item.get("default") for name, item in part.SPEC.items()}
        for source in reversed(given):
            values.update({name: value for name, value in source.items() if value is not None})
        return values
