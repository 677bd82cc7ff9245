# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""pg_hba.conf, password verifiers and certificates' dates: read right, and rubbish is never taken for something."""

from __future__ import annotations

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.database import beyond_local, reached, worldwide
from ansible_collections.nself.prod.plugins.module_utils.parse import pg_hba, pg_verifier
from hypothesis import given
from hypothesis import strategies as st

# Made by PostgreSQL 17 and 15 of the passwords 7d1f… (role nself) and Lk2WqZ (role legacy).
PASSWORD = "7d1f0c9be24a58836d0fb1a97c5e2d4483b6a90f1c7e5d2a"
SCRAM = (
    "SCRAM-SHA-256$4096:3xezzcSjF0Qq8XL9jKj4Gw==$25n1lqblV77dik6RB9MjZpalSHYMdeSuHvzRoJJOrg8=:"
    "sI7KvPmQrZAPtNySNJB0v/XT9JTDhn7hL+D34fzAZUA="
)


def rules(text, files=None):
    tree = dict({"/d/pg_hba.conf": text}, **(files or {}))

    def read(path):
        if path not in tree:
            raise FileNotFoundError(path)
        return tree[path]

    def names(folder):
        return [path.rsplit("/", 1)[1] for path in tree if path.rsplit("/", 1)[0] == folder]

    return pg_hba.parse("/d/pg_hba.conf", read, names)


def one(text):
    (found,) = rules(text)
    return found


def test_rules_are_read_as_the_server_reads_them():
    found = one('hostssl  "my db",app  all,"all"  10.0.0.0/8  scram-sha-256  clientcert=verify-full # more')
    assert (found["type"], found["address"], found["auth_method"]) == ("hostssl", "10.0.0.0/8", "scram-sha-256")
    assert found["database"] == ["my db", "app"]
    assert found["user_name"] == ["all", '"all"']  # the quoted one is a user of that name
    assert found["options"] == ["clientcert"] and not found["broken"]


def test_a_mask_of_its_own_lines_that_go_on_and_commas_with_blanks():
    found = one("host all , replication \\\n all 10.1.2.0 255.255.255.0 md5")
    assert (found["database"], found["netmask"], found["line_number"]) == (["all", "replication"], "255.255.255.0", 1)
    assert [item["line_number"] for item in rules("# one \\\n still a comment\nlocal all all peer\r\n")] == [3]


@pytest.mark.parametrize(
    "line",
    [
        "host all all 10.0.0.1 md5",  # an address without length or mask
        "host all all md5",
        "host all all 10.0.0.0/8 sha",
        "host all all 10.0.0.0/8 md5 extra",
        "net all all all md5",
        "local all",
        "local",
        '"local, host" all all peer',
    ],
)
def test_a_line_that_the_server_refuses_is_broken(line):
    assert one(line)["broken"]


def test_options_keep_no_values():
    assert "hunter" not in str(one('host all all all ldap ldapserver=x "ldapbindpasswd=hunter 2"'))


def test_includes_of_files_and_folders():
    files = {
        "/d/more/b.conf": "host b all all md5",
        "/d/more/a.conf": "host a all all md5",
        "/d/more/.c.conf": "host c all all md5",
        "/d/one.conf": "host one all all md5",
    }
    text = "include one.conf\ninclude_dir more\ninclude_if_exists nowhere.conf\nlocal all all peer\n"
    found = rules(text, files)
    assert [item["database"][0] for item in found] == ["one", "a", "b", "all"]
    assert found[0]["file_name"] == "/d/one.conf"


def test_what_cannot_be_the_loaded_rules_is_an_error():
    for text in ("include nowhere.conf", "include pg_hba.conf", 'host "all all'):
        with pytest.raises(pg_hba.HbaError):
            rules(text)


@given(st.text(alphabet=st.sampled_from('abhost lcl"#,\\\n\r\t=./0:@\0é'), max_size=200))
def test_rubbish_is_refused_or_broken(text):
    try:
        found = rules(text)
    except pg_hba.HbaError:
        return
    for rule in found:
        assert rule["broken"] or (rule["type"] in pg_hba.TYPES and rule["auth_method"] in pg_hba.METHODS)
    for rule in reached(found):
        beyond_local(rule)
        worldwide(rule)


@given(st.lists(st.sampled_from(["host", "all", "hostssl", "127.0.0.1/32", "0.0.0.0/0", "::/0", "trust", "md5", "x"])))
def test_a_weak_rule_for_the_world_is_never_taken_for_a_local_one(words):
    for rule in reached(rules(" ".join(words))):
        if worldwide(rule) and rule["type"] != "local":
            assert beyond_local(rule)


def test_verifiers_of_a_real_server():
    assert pg_verifier.method_of(SCRAM) == pg_verifier.SCRAM and pg_verifier.iterations_of(SCRAM) == 4096
    assert pg_verifier.fits(SCRAM, "nself", PASSWORD)
    assert not pg_verifier.fits(SCRAM, "nself", PASSWORD[:-1])
    md5 = "md5" + __import__("hashlib").md5(b"Lk2WqZlegacy").hexdigest()
    assert pg_verifier.method_of(md5) == pg_verifier.MD5
    assert pg_verifier.fits(md5, "legacy", "Lk2WqZ") and not pg_verifier.fits(md5, "other", "Lk2WqZ")
    assert pg_verifier.method_of(None) == pg_verifier.NONE


@given(st.text(max_size=120), st.text(max_size=20), st.text(max_size=20))
def test_no_rubbish_verifier_fits(verifier, role, password):
    assert not pg_verifier.fits(verifier, role, password)
    assert not pg_verifier.fits("SCRAM-SHA-256$4096:%s$%s" % (verifier, password), role, password)
    assert pg_verifier.method_of(verifier) == pg_verifier.UNKNOWN
