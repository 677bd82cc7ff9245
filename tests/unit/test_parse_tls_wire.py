# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS hellos of ours, and answers of real servers (nginx 1.22 with OpenSSL 3.0) and of broken ones."""

from __future__ import annotations

import base64
import json
import ssl

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.tables import tls_suites
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import tls_wire as wire
from ansible_collections.nself.prod.plugins.module_utils.probe import tls as probe
from fake_host import FakeHost
from fake_tls import parse_hello
from hypothesis import given
from hypothesis import strategies as st

DOOR = probe.Door("192.0.2.1", 443, "example.test")


@pytest.fixture(scope="module")
def answers(root):
    stored = json.loads((root / "tests/fixtures/tls/answers.json").read_text(encoding="utf-8"))
    return {name: base64.b64decode(text) for name, text in stored.items()}


def ask(data, chain=False):
    return probe.ask(FakeHost(peers={("192.0.2.1", 443): data}), DOOR, wire.TLS12, probe.ALL_SUITES, chain)


@pytest.mark.parametrize(
    "name, version, suite",
    [
        ("tls12_rsa", wire.TLS12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("tls12_ecdsa", wire.TLS12, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
        ("tls11", wire.TLS11, "TLS_RSA_WITH_AES_128_CBC_SHA"),
        ("tls10", wire.TLS10, None),
        ("tls13_retry", wire.TLS13, None),
        ("anonymous", wire.TLS12, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"),
    ],
)
def test_choice_of_a_real_server(answers, name, version, suite):
    hello = ask(answers[name]).hello
    assert hello.version == version
    assert suite in (None, tls_suites.name_of(hello.suite))


def test_certificates_of_a_real_server(answers):
    assert [len(ask(answers[name], True).chain) for name in ("tls12_rsa", "tls12_ecdsa", "tls12_old")] == [2, 1, 2]
    assert ask(answers["tls13_retry"], True).chain == () and ask(answers["anonymous"], True).chain == ()


@pytest.mark.parametrize("name", ["alert_protocol", "alert_sslv3", "alert_suites"])
def test_refusal_of_a_real_server(answers, name):
    assert ask(answers[name]).hello is None


def test_closing_without_a_word_is_a_refusal():
    assert ask(b"").hello is None and ask(b"\x16\x03\x03").hello is None


def test_other_protocols_are_no_answer(answers):
    for data in (answers["plain_http"], b"SSH-2.0-OpenSSH_9.6\r\n", bytes(64), b"\x17\x03\x03\x00\x01x"):
        with pytest.raises(HostError, match="speaks no TLS"):
            ask(data)


def test_warnings_before_the_answer_are_passed_over(answers):
    warning = bytes([wire.ALERT, 3, 3, 0, 2, 1, 112])
    assert ask(warning * 3 + answers["tls12_rsa"]).hello is not None
    assert ask(warning * 100).hello is None


@pytest.mark.parametrize("version", sorted(wire.NAMES))
def test_a_hello_says_what_it_should(version):
    data = wire.client_hello(version, probe.ALL_SUITES, "example.test", bytes(range(32)))
    assert data[:3] == bytes([22, 3, min(version, wire.TLS10) & 0xFF])
    offered, suites, name = parse_hello(data)
    assert offered == version and set(probe.ALL_SUITES) <= set(suites)
    assert name == ("" if version == wire.SSL3 else "example.test")


def test_openssl_reads_our_hello():
    """The local OpenSSL as a server: it must get as far as missing a certificate, past the hello."""
    for version in (wire.TLS12, wire.TLS13):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        seen = []
        context.sni_callback = lambda _socket, name, _context, seen=seen: seen.append(name)
        server = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(wire.client_hello(version, probe.ALL_SUITES + probe.TLS13_SUITES, "example.test"))
        with pytest.raises(ssl.SSLError, match="(?i)no.shared.cipher|no.suitable"):
            server.do_handshake()
        assert seen == ["example.test"]


@pytest.mark.parametrize("name", ["x" * 300, "\u00e4" * 70 + ".example", "a..b\u00e4"])
def test_names_that_cannot_be_sent(name):
    with pytest.raises(HostError, match="cannot be sent"):
        probe.ask(FakeHost(), probe.Door("192.0.2.1", 443, name), wire.TLS12, [1])


@given(st.binary(max_size=400), st.booleans())
def test_rubbish_is_an_error_or_a_refusal(data, chain):
    try:
        assert ask(data, chain).hello is None
    except HostError:
        pass


@given(st.data())
def test_spoilt_answers_never_crash(answers, data):
    whole = bytearray(answers[data.draw(st.sampled_from(sorted(answers)))])
    for _unused in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        ask(bytes(whole[: data.draw(st.integers(0, len(whole)))]), True)
    except HostError:
        pass


def test_suites_are_judged_by_what_their_names_say():
    weak = {tls_suites.name_of(number): tls_suites.weakness(number) for number in tls_suites.SUITES}
    strong = {name for name, why in weak.items() if why is None}
    assert {
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_DHE_RSA_WITH_AES_256_CCM_8",
        "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256",
    } <= strong
    assert all(name.startswith(("TLS_ECDHE_", "TLS_DHE_", "TLS_PSK_DHE_")) for name in strong)
    assert not [name for name in strong if "CBC" in name or "RC4" in name or "NULL" in name or "anon" in name]
    assert weak["TLS_RSA_WITH_AES_128_GCM_SHA256"] == "no forward secrecy"
    assert weak["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"] == "no AEAD"
    assert weak["TLS_DH_anon_WITH_AES_128_GCM_SHA256"] == "anonymous"
    assert weak["TLS_RSA_EXPORT_WITH_RC4_40_MD5"] == "no forward secrecy, export grade, no AEAD"
    assert weak["TLS_ECDHE_RSA_WITH_NULL_SHA"] == "no encryption"
    assert (
        weak["TLS_DH_RSA_WITH_AES_128_GCM_SHA256"]
        == weak["TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"]
        == "no forward secrecy"
    )
    assert len(tls_suites.SUITES) > 340 and len(set(weak)) == len(tls_suites.SUITES)
