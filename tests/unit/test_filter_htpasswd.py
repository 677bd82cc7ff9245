# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes lines of a password file."""

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.nself.prod.plugins.filter import htpasswd

HASHES = {"b": "$2y$10$abcdefghijklmnopqrstuu", "a": "$apr1$salt$hash"}


class Recorder:
    """In the place of passlib: says what it was asked for."""

    def using(self, **words):
        self.words = words
        return self

    def hash(self, password):
        return "$6$%s$%d" % (self.words["salt"], len(password))


def test_hashes_stay_and_need_no_library(monkeypatch):
    monkeypatch.setattr(htpasswd, "sha512_crypt", None)
    assert htpasswd.htpasswd(HASHES, "h") == "a:$apr1$salt$hash\nb:$2y$10$abcdefghijklmnopqrstuu\n"
    assert htpasswd.htpasswd({}, "h") == ""
    with pytest.raises(AnsibleFilterError, match="passlib") as caught:
        htpasswd.htpasswd({"ops": "a password"}, "h")
    assert "a password" not in str(caught.value)


def test_the_same_input_gives_the_same_lines_and_another_host_others(monkeypatch):
    monkeypatch.setattr(htpasswd, "sha512_crypt", Recorder())
    first = htpasswd.htpasswd({"ops": "x y", "dev": "x y"}, "one")
    assert first == htpasswd.htpasswd({"dev": "x y", "ops": "x y"}, "one")
    salts = [line.split("$")[2] for line in (first + htpasswd.htpasswd({"ops": "x y"}, "two")).splitlines()]
    assert len(set(salts)) == 3 and all(len(salt) == 16 for salt in salts)


def test_it_hashes_as_crypt_does():
    passlib = pytest.importorskip("passlib.hash")
    line = htpasswd.htpasswd({"ops": "a password"}, "h").strip()
    name, _colon, value = line.partition(":")
    assert name == "ops" and "rounds" not in value and passlib.sha512_crypt.verify("a password", value)


@pytest.mark.parametrize("users", [{"a:b": "x"}, {"a b": "x"}, {"": "x"}, {"a": ""}, {"a": "x\ny"}, ["a"]])
def test_what_would_spoil_the_file_is_refused(users):
    with pytest.raises(AnsibleFilterError):
        htpasswd.htpasswd(users, "h")
