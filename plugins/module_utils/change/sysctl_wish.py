# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which kernel settings a host should have, by the role's options and by what kind of host it is. Nothing here touches the host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError
from ansible_collections.nself.prod.plugins.module_utils.change.tables import sysctl as tables
from ansible_collections.nself.prod.plugins.module_utils.parse.sysctl import dotted, is_pattern, path_of

_KEY = re.compile(r"^[A-Za-z0-9_*@:.,/-]+\Z")
_PATTERN = re.compile(r"^net/ipv[46]/(conf|neigh)/\*/[a-z0-9_]+\Z")
_OFF = re.compile(r"^net/(ipv4/ip_forward|ipv[46]/conf/[^/]+/forwarding)\Z")
_NO_IPV6 = re.compile(r"^net/ipv6/conf/[^/]+/disable_ipv6\Z")


@dataclass(frozen=True)
class Setting:
    """What a setting should be. least and most: what is as strict or stricter; None where nothing but the value will do."""

    value: str
    least: Optional[int] = None
    most: Optional[int] = None

    def accepts(self, text: str) -> bool:
        words = " ".join(text.split())
        if self.least is None or self.most is None:
            return words == self.value
        try:
            return self.least <= int(words) <= self.most
        except ValueError:
            return False


@dataclass(frozen=True)
class Machine:
    """What decides about settings.

    container: its kind, None for none; forwards: why this host must go on forwarding, None where nothing needs it;
    loose: why strict filtering by the way back would drop good packets, None where it would not; cut_off: whether that would hit
    the operator's own connection; crash_kernel: whether one is loaded with kexec; routed: interfaces that forward and yet take their
    route from router advertisements; over_ipv6: whether the operator came that way.
    """

    container: Optional[str] = None
    forwards: Optional[str] = None
    loose: Optional[str] = None
    cut_off: bool = False
    crash_kernel: bool = False
    routed: Tuple[str, ...] = ()
    over_ipv6: bool = False


@dataclass(frozen=True)
class Wish:
    """settings: what should be, by path; outside: what belongs to the machine around this container; left: what is left alone, and why."""

    settings: Dict[str, Setting]
    outside: List[str]
    left: Dict[str, str]


def wish(options: Mapping[str, Any], machine: Machine) -> Wish:
    """Return what a host should have. Raises ChangeError for options that are wrong or would cut somebody off."""
    settings: Dict[str, Setting] = {}
    left: Dict[str, str] = {}
    for key, value, least, most in tables.NETWORK:
        settings[key] = Setting(str(value), least, most)
    for family, name, value, least, most in tables.INTERFACES:
        settings.update(_everywhere(family, name, Setting(str(value), least, most)))
    strict = _strict(options["rp_filter"], machine)
    if strict is not None:
        settings.update(_everywhere("ipv4", "rp_filter", Setting(strict, int(strict), int(strict))))
    for interface in machine.routed:
        settings["net/ipv6/conf/%s/accept_ra" % interface] = Setting("2")
    if options["kernel"]:
        for key, value, least, most in tables.KERNEL:
            settings[key] = Setting(str(value), least, most)
        if machine.crash_kernel:
            del settings["kernel/kexec_load_disabled"]
            left["kernel.kexec_load_disabled"] = "this host loads a crash kernel with kexec"
    if options["forwarding"] == "off":
        if machine.forwards:
            raise ChangeError("sysctl_forwarding=off: %s; leave it at keep" % machine.forwards)
        settings.update({key: Setting("0") for key in tables.FORWARDING})
    for name, given in sorted((options["settings"] or {}).items()):
        key, own = _own(str(name), given, machine)
        if own is None:
            settings.pop(key, None)
        else:
            settings[key] = own
    outside = [key for key in settings if machine.container and not belongs_to_container(key)]
    for key in outside:
        del settings[key]
    return Wish(settings, [dotted(key) for key in outside], left)


def _everywhere(family: str, name: str, setting: Setting) -> Dict[str, Setting]:
    return {"net/%s/conf/%s/%s" % (family, interface, name): setting for interface in ("all", "default", "*")}


def _strict(option: str, machine: Machine) -> Optional[str]:
    if option == "keep":
        return None
    if option == "1" and machine.cut_off:
        raise ChangeError(
            "sysctl_rp_filter=1 would drop the connection that Ansible came over: %s; set it to auto or 2"
            % machine.loose
        )
    if option == "auto":
        return "2" if machine.loose else "1"
    return option


def _own(name: str, given: Any, machine: Machine) -> Tuple[str, Optional[Setting]]:
    key = path_of(name.strip())
    if not _KEY.match(key) or ".." in key.split("/") or key.startswith("/"):
        raise ChangeError("sysctl_settings: %r is no name of a kernel setting" % name)
    if is_pattern(key) and not _PATTERN.match(key):
        raise ChangeError("sysctl_settings: %s: only the name of an interface may be *" % name)
    if given is None:
        return key, None
    if isinstance(given, (dict, list)):
        raise ChangeError("sysctl_settings: %s has to be a number or a text" % name)
    value = " ".join(str(int(given) if isinstance(given, bool) else given).split())
    if not value:
        raise ChangeError("sysctl_settings: %s is empty; null leaves a setting alone" % name)
    if _OFF.match(key) and value == "0" and machine.forwards:
        raise ChangeError("sysctl_settings: %s=0: %s" % (name, machine.forwards))
    if _NO_IPV6.match(key) and value == "1" and machine.over_ipv6:
        raise ChangeError("sysctl_settings: %s=1 would cut off Ansible, which reaches this host over IPv6" % name)
    return key, Setting(value)


def belongs_to_container(key: str) -> bool:
    """Tell whether a setting is a container's own, and not one of the machine around it."""
    if key.startswith(tables.OWN_OF_CONTAINER):
        return True
    return key.startswith("net/") and not key.startswith(tables.SHARED_OF_NETWORK)
