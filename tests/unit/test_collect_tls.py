# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an nginx and its sites to the facts of TLS: certificates, protocols, suites, keys and what renews."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import tls, tls_files
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.audit.model import Missing
from ansible_collections.nself.prod.plugins.module_utils.deployment.sites import Listen, Nginx, Site
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo, HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import tls_wire as wire
from fake_tls import FakeSite, TlsHost

DOOR = ("127.0.0.1", 8443)
PEM = "-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
STRONG = (0xC02F, 0xC030, 0xCCA8)
ECDSA = (0xC02B, 0xC02C)
WEAK = STRONG + (0xC013, 0x009C, 0x002F)
NOW = 1795000000.0  # in November 2026, when the fixtures were made, is 1795640626


@pytest.fixture(scope="module")
def chains(root):
    """Return {name: chain} of the servers whose answers are stored."""
    stored = json.loads((root / "tests/fixtures/tls/answers.json").read_text(encoding="utf-8"))
    out = {}
    for name in ("tls12_rsa", "tls12_ecdsa", "tls12_old"):
        data, handshake = base64.b64decode(stored[name]), b""
        while data:
            length = int.from_bytes(data[3:5], "big")
            handshake, data = handshake + data[5 : 5 + length], data[5 + length :]
        while handshake:
            kind, body, length = wire.message_of(handshake)
            handshake = handshake[length:]
            if kind == wire.CERTIFICATE:
                out[name] = wire.parse_certificate(body)
    return out


def site(*names, port=443, encrypted=True, address="0.0.0.0", **more):
    return Site(names, (Listen(address, port, encrypted),), **more)


def need(*sites, service="nginx", doors=None, units=None, state="found", **more):
    """Return a need() that gives one nginx with these sites."""
    found = units if units is not None else [unit()]
    project = SimpleNamespace(
        state=state, units=found, running=lambda role: [item for item in found if item["role"] == role]
    )
    nginx = Nginx(
        service,
        more.get("root", "/proc/7/root"),
        sites,
        {443: DOOR} if doors is None else doors,
        more.get("config"),
    )
    return lambda name: {"nginx": [nginx] if sites else [], "project": project}[name]


def unit(role="nginx", image="nginx:1.27", mounts=(), ports=("80", "443")):
    return {
        "service": role,
        "role": role,
        "image": image,
        "level": "running",
        "mounts": list(mounts),
        "ports": [{"ip": "0.0.0.0", "port": int(port), "target": port} for port in ports],
    }


def host(peers=None, files=None, **more):
    stored = {"/etc/crontab": "", "/proc/7/root/etc/hostname": "nginx"}
    stored.update(files or {})
    return TlsHost(files=stored, peers={DOOR: peers} if peers else {}, now=more.pop("now", NOW + 640626), **more)


def collect(machine, wanted):
    return tls.collect(machine, wanted)


def by_name(facts):
    return {entry["name"]: entry for entry in facts["names"]}


def test_a_good_name(chains):
    good = FakeSite({"RSA": chains["tls12_rsa"]}, suites=STRONG)
    entry = by_name(collect(host({"a.example.test": good}), need(site("a.example.test"))))["a.example.test"]
    assert entry["handshake"] == {"done": True, "detail": ""} and entry["tls"] is True
    assert entry["trust"] == {"trusted": True, "detail": "", "anchor": None}
    assert entry["protocols"]["accepted"] == ["TLSv1.2", "TLSv1.3"]
    assert entry["protocols"]["refused"] == ["SSLv3", "TLSv1", "TLSv1.1"]
    assert sorted(entry["suites"]) == sorted(STRONG) and entry["server_order"] is True
    (leaf,) = entry["leaves"]
    assert leaf["issuer"] == "Test House Root" and leaf["names"] == ["*.example.test", "example.test"]
    assert 89 < leaf["days_left"] <= 90 and not leaf["self_signed"]
    assert json.dumps(entry)


def test_old_protocols_and_weak_suites(chains):
    old = FakeSite({"RSA": chains["tls12_old"]}, (wire.SSL3, wire.TLS10, wire.TLS12), WEAK, False, "key too weak")
    entry = by_name(collect(host({"old": old}), need(site("old"))))["old"]
    assert entry["trust"]["trusted"] is False and entry["trust"]["detail"] == "key too weak"
    assert entry["protocols"]["accepted"] == ["SSLv3", "TLSv1", "TLSv1.2"]
    assert sorted(entry["suites"]) == sorted(WEAK) and entry["server_order"] is False
    assert (entry["leaves"][0]["bits"], entry["leaves"][0]["hash"]) == (1024, "SHA-1")


def test_both_certificates_of_a_server_are_seen(chains):
    dual = FakeSite({"RSA": chains["tls12_rsa"], "ECDSA": chains["tls12_ecdsa"]}, suites=STRONG + ECDSA)
    entry = by_name(collect(host({"dual": dual}), need(site("dual"))))["dual"]
    assert [leaf["key"] for leaf in entry["leaves"]] == ["RSA", "EC"]
    assert sorted(entry["suites"]) == sorted(STRONG + ECDSA)


def test_tls13_only_hides_suites_and_chain(chains):
    only = FakeSite({"RSA": chains["tls12_rsa"]}, (wire.TLS13,))
    entry = by_name(collect(host({"new": only}), need(site("new"))))["new"]
    assert entry["protocols"]["accepted"] == ["TLSv1.3"]
    assert entry["suites"] == [] and entry["server_order"] is None and len(entry["leaves"]) == 1


def test_names_that_differ_are_told_apart_without_asking_all_for_all(chains):
    rsa = {"RSA": chains["tls12_rsa"]}
    peers = {"n%d" % number: FakeSite(rsa, suites=STRONG) for number in range(12)}
    peers["lax"], peers["strict"] = FakeSite(rsa, suites=WEAK), FakeSite(rsa, suites=STRONG[:1])
    peers["ec"] = FakeSite({"ECDSA": chains["tls12_ecdsa"]}, suites=ECDSA)
    machine = host(peers)
    found = by_name(collect(machine, need(*[site(name) for name in peers])))
    assert sorted(found["lax"]["suites"]) == sorted(WEAK) and sorted(found["ec"]["suites"]) == sorted(ECDSA)
    assert all(sorted(found["n%d" % number]["suites"]) == sorted(STRONG) for number in range(12))
    assert machine.connections < 15 * len(peers)


def test_a_strict_name_is_not_blamed_for_a_lax_one(chains):
    rsa = {"RSA": chains["tls12_rsa"]}
    peers = {"lax": FakeSite(rsa, suites=WEAK), "strict": FakeSite(rsa, suites=STRONG)}
    found = by_name(collect(host(peers), need(site("lax"), site("strict"))))
    assert sorted(found["lax"]["suites"]) == sorted(WEAK) and sorted(found["strict"]["suites"]) == sorted(STRONG)


def test_doors_that_are_shut_silent_or_not_there(chains):
    machine = host(files={})
    machine.peers = {("10.0.0.1", 1): HostError("timeout", "10.0.0.1:1", "no answer in time")}
    sites = (site("shut"), site("silent", port=444), site("lost", port=445))
    found = by_name(collect(machine, need(*sites, doors={443: ("10.0.0.1", 2), 444: ("10.0.0.1", 1)})))
    assert found["shut"]["handshake"] == {"done": False, "detail": "Connection refused"}
    assert found["silent"]["handshake"].reason == "timeout" and isinstance(found["lost"]["handshake"], Unread)
    for entry in found.values():
        assert all(isinstance(entry[key], Unread) for key in tls.TOLD)


def test_a_handshake_that_fails_leaves_what_hellos_show(chains):
    broken = FakeSite(
        {"RSA": chains["tls12_rsa"]}, (wire.TLS10,), WEAK, trusted=HostError("error", "x", "unsupported protocol")
    )
    entry = by_name(collect(host({"x": broken}), need(site("x"))))["x"]
    assert entry["handshake"] == {"done": False, "detail": "unsupported protocol"}
    assert entry["protocols"]["accepted"] == ["TLSv1"] and entry["suites"] == []
    assert isinstance(entry["trust"], Unread) and entry["leaves"][0]["bits"] == 2048


def test_an_unreachable_network_says_nothing_of_the_server():
    machine = host()
    machine.peers = {DOOR: HostError("error", "127.0.0.1:8443", "No route to host")}
    assert isinstance(by_name(collect(machine, need(site("x"))))["x"]["handshake"], Unread)


def test_which_names_are_asked_for(chains):
    good = FakeSite({"RSA": chains["tls12_rsa"]}, suites=STRONG)
    sites = (
        site("a.test", "*.b.test", "~^c\\d", "www.d.*"),
        site("a.test", "plain.test", port=80, encrypted=False),
        site("status", port=8080, encrypted=False),
        site("local", port=81, encrypted=False, address="127.0.0.1"),
        site(port=80, encrypted=False),
    )
    facts = collect(host({"a.test": good, "nself-audit.b.test": good}), need(*sites))
    assert {entry["name"]: entry["tls"] for entry in facts["names"]} == {
        "a.test": True,
        "*.b.test": True,
        "plain.test": False,
    }


def test_no_nginx_is_unknown_and_no_deployment_is_nothing():
    with pytest.raises(Missing, match="no nginx runs"):
        collect(host(), need())
    assert collect(host(), need(state="none")) == {"names": [], "keys": [], "jobs": []}


def test_an_authority_that_was_added_to_this_host_is_named(chains):
    root_pem = PEM % base64.encodebytes(chains["tls12_rsa"][1]).decode()
    good = FakeSite({"RSA": chains["tls12_rsa"]}, suites=STRONG)
    place = "/usr/local/share/ca-certificates/house/root.crt"
    entry = by_name(collect(host({"a": good}, {place: root_pem}), need(site("a"))))["a"]
    assert entry["trust"]["anchor"] == "Test House Root"
    broken = by_name(collect(host({"a": good}, {place: HostError("needs_root", place)}), need(site("a"))))["a"]
    assert isinstance(broken["trust"]["anchor"], Unread)


def test_a_newer_certificate_on_disk_has_not_reached_nginx(chains):
    served = FakeSite({"RSA": chains["tls12_rsa"]}, suites=STRONG)
    newer = PEM % base64.encodebytes(chains["tls12_rsa"][1]).decode()  # the authority's own runs ten years
    same = PEM % base64.encodebytes(chains["tls12_rsa"][0]).decode()
    sites = (site("a.example.test", certificate="/etc/nginx/ssl/c.pem"),)
    live = "/etc/letsencrypt/live/example/fullchain.pem"
    files_found = {"/proc/7/root/etc/nginx/ssl/c.pem": newer, live: same}
    entry = collect(host({"a": served}, files_found), need(*sites))["names"][0]
    assert entry["newer"] == ["/etc/nginx/ssl/c.pem"] and entry["managed"] == ["/etc/letsencrypt/live"]
    entry = collect(host({"a": served}, {"/proc/7/root/etc/nginx/ssl/c.pem": same}), need(*sites))["names"][0]
    assert entry["newer"] == [] and entry["managed"] == []


def test_keys_are_followed_to_the_host_and_into_git():
    key = "/etc/nginx/ssl/live/privkey.pem"
    real = "/proc/7/root/etc/nginx/ssl/archive/privkey1.pem"
    mounts = [
        {"source": "/etc", "target": "/etc", "rw": False, "bind": True},
        {"source": "/opt/nself/ssl", "target": "/etc/nginx/ssl", "rw": False, "bind": True},
    ]
    machine = host(
        files={real: "never read", "/opt/nself/ssl/archive/privkey1.pem": "", "/opt/nself/.git/HEAD": ""},
        stats={real: FileInfo(0o644, 1000, 1000, 1, 0.0, "file")},
        links={
            "/proc/7/root/etc/nginx/ssl/live": "/etc/nginx/ssl/moved",
            "/proc/7/root/etc/nginx/ssl/moved": "archive",
        },
        commands={"git": lambda argv, stdin, env: git(argv)},
    )
    machine.links["/proc/7/root/etc/nginx/ssl/archive/privkey.pem"] = "./privkey1.pem"

    def git(argv):
        return Completed(0, "privkey1.pem\0", "") if "ls-files" in argv else Completed(1, "", "")

    facts = collect(machine, need(site("a", key=key), site("b", key=key), units=[unit(mounts=mounts)]))
    assert facts["keys"] == [
        {
            "path": key,
            "service": "nginx",
            "file": {"mode": 0o644, "uid": 1000, "host_path": "/opt/nself/ssl/archive/privkey1.pem", "git": "tracked"},
        }
    ]
    assert real not in str(machine.ran)


def test_every_key_of_the_configuration_is_looked_at():
    def directive(name, first="", block=None):
        return SimpleNamespace(name=name, first=first, block=block)

    server = (directive("ssl_certificate_key", "a.key"), directive("ssl_certificate_key", "/etc/b.key"))
    config = (directive("http", block=(directive("server", block=server),)),)
    stored = {"/proc/7/root/etc/nginx/a.key": "", "/proc/7/root/etc/b.key": ""}
    facts = collect(host(files=stored), need(site("a", key="a.key"), config=config))
    assert [(key["path"], key["file"]["mode"]) for key in facts["keys"]] == [("/etc/b.key", 0o644), ("a.key", 0o644)]


@pytest.mark.parametrize("key", ["data:$secret", "/etc/ssl/$ssl_server_name.key", "engine:pkcs11:x", "/gone.pem"])
def test_keys_that_cannot_be_found_are_unread(key):
    assert isinstance(collect(host(), need(site("a", key=key)))["keys"][0]["file"], Unread)


def test_links_that_turn_in_a_circle_end():
    machine = host(links={"/proc/7/root/a": "/b", "/proc/7/root/b": "a"})
    with pytest.raises(HostError, match="too many"):
        tls_files.resolve(machine, "/proc/7/root", "/a/key")
    machine = host(links={"/proc/7/root/up": "../../../etc"})
    assert tls_files.resolve(machine, "/proc/7/root", "/up/./hostname") == "/etc/hostname"


def test_a_volume_is_nowhere_on_the_host():
    volume = {"source": "certs", "target": "/etc/nginx/ssl", "rw": False, "bind": False}
    assert tls_files.on_host("/etc/nginx/ssl/k", [volume]) is None and tls_files.on_host("/k", []) is None
    assert tls_files.on_host("/etc/k", [dict(volume, target="/", bind=True, source="/srv")]) == "/srv/etc/k"


SYSTEMD = """Id=certbot.timer
LoadState=loaded
ActiveState=%s
UnitFileState=enabled

Id=cron.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
"""


def jobs(**more):
    units = more.pop("units", None)
    return collect(host(**more), need(site("a"), units=units))["jobs"]


def test_timers_crontabs_and_containers_that_renew():
    debian = "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew\n"
    own = "# certbot renew\n5 4 * * * root /root/.acme.sh/acme.sh --cron\n"
    crontabs = {
        "/etc/cron.d/certbot": debian,
        "/var/spool/cron/crontabs/root": own,
        "/etc/cron.d/other": "* * * * * root true",
    }
    with_systemd = {"systemctl": SYSTEMD % "inactive"}
    live = "/etc/letsencrypt/live"
    assert jobs(files=crontabs, commands=with_systemd, units=[unit(), unit("certbot", "certbot/certbot:v3")]) == [
        {"name": "certbot.timer", "active": False, "store": live},
        {"name": "/var/spool/cron/crontabs/root", "active": True, "store": None},
        {"name": "container certbot", "active": True, "store": None},
    ]
    # Without systemd Debian's line is the one that renews, if cron runs at all.
    assert jobs(files=crontabs)[0] == {"name": "/etc/cron.d/certbot", "active": False, "store": live}
    assert jobs(files=dict(crontabs, **{"/proc/9/comm": "cron\n"}))[0]["active"] is True
    assert jobs(commands=with_systemd, files={"/etc/crontab": ""})[0]["name"] == "certbot.timer"


def test_a_crontab_that_cannot_be_read_might_be_the_one():
    path = "/var/spool/cron/crontabs/root"
    assert isinstance(jobs(files={path: HostError("needs_root", path)}), Unread)


@pytest.mark.parametrize(
    "names, name, yes",
    [
        (["*.example.org"], "API.example.org", True),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], "a.b.example.org", False),
        (["example.org"], "example.org", True),
        ([], "example.org", False),
    ],
)
def test_names_that_a_certificate_covers(names, name, yes):
    assert tls.covers(names, name) is yes
