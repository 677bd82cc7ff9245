# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages are missing, and on which hosts that is a question at all."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Reason
from ansible_collections.nself.prod.plugins.module_utils.change import packages
from ansible_collections.nself.prod.plugins.module_utils.change.changes import ChangeError, Changes
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, HostError
from fake_host import FakeHost

DEBIAN = 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'


def ask(names, said="", release=DEBIAN, **commands):
    """Return (the module's result, the host); said: what dpkg-query prints, or its whole answer."""
    host = FakeHost(files={"/etc/os-release": release}, commands=dict({"dpkg-query": said}, **commands))
    changes = Changes(host, check=False)
    result = packages.work(host, changes, {"names": names})
    assert not changes.changed
    return result, host


def test_what_is_not_installed_is_missing_in_the_order_of_the_names():
    said = Completed(
        1, "nftables installed\nfail2ban config-files\naudit half-configured\n", "no packages found matching ufw"
    )
    assert ask(["ufw", "nftables", "fail2ban", "audit"], said)[0] == {"missing": ["ufw", "fail2ban", "audit"]}


def test_a_name_is_asked_for_once_and_nothing_where_there_is_none():
    assert ask(["ufw", "ufw"])[0] == {"missing": ["ufw"]}
    result, host = ask([])
    assert result == {"missing": []} and host.ran == []


@pytest.mark.parametrize("name", ["-W", "linux-image-*", "ufw=1.0", "libc6:amd64", "Ufw", "", "ufw\n"])
def test_what_is_no_plain_name_is_refused(name):
    with pytest.raises(ChangeError, match="is no name of a package"):
        ask(["nftables", name])


def test_a_database_that_dpkg_cannot_read_is_not_a_host_without_packages():
    with pytest.raises(ChangeError, match="dpkg-query: parsing file '/var/lib/dpkg/status'; see `dpkg --audit`"):
        ask(["ufw"], Completed(2, "", "parsing file '/var/lib/dpkg/status'\n"))


def test_a_query_that_does_not_end_is_no_answer():
    with pytest.raises(HostError):
        ask(["ufw"], HostError(Reason.TIMEOUT, "dpkg-query", "took too long"))


def test_ubuntu_and_its_like_have_packages():
    assert ask(["ufw"], "ufw installed\n", "ID=ubuntu\nID_LIKE=debian\n")[0] == {"missing": []}
    assert ask(["ufw"], "ufw installed\n", 'ID=raspbian\nID_LIKE="debian other"\n')[0] == {"missing": []}


def test_another_system_is_refused_in_one_line_also_where_it_has_dpkg():
    with pytest.raises(
        ChangeError, match=r"on Debian and Ubuntu only, and this is Fedora Linux 41; leave this host out"
    ):
        ask(["ufw"], "", 'ID=fedora\nPRETTY_NAME="Fedora Linux 41"\n')
    host = FakeHost(files={"/etc/os-release": DEBIAN})
    with pytest.raises(ChangeError, match="this is Debian GNU/Linux 13 .* no dpkg-query"):
        packages.work(host, Changes(host, check=True), {"names": ["ufw"]})
