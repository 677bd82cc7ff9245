# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part nginx: what it does around the change."""

import pathlib

import pytest
from ansible_collections.nself.prod.plugins.module_utils.change.changes import Changes
from ansible_collections.nself.prod.plugins.module_utils.change.guard import Mismatch, Refused
from ansible_collections.nself.prod.plugins.module_utils.change.stack import nginx_probe
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.nginx import OURS
from ansible_collections.nself.prod.plugins.module_utils.change.tables import nginx as table
from ansible_collections.nself.prod.plugins.module_utils.host import Completed
from ansible_collections.nself.prod.plugins.module_utils.probe.http import Response
from fake_host import FakeHost
from fake_stack import FakeStack
from nginx_projects import part, planned, stack

# -- around the change -----------------------------------------------------------------------------------------------------


def test_an_nginx_that_could_not_start_again_is_left_alone():
    said = '2026/11/26 03:49:16 [emerg] 1#1: unknown directive "x" in /etc/nginx/sites/services.conf:1\n'
    with pytest.raises(
        Refused, match=r"\[emerg\] unknown directive .* in nginx/sites/services\.conf:1; mend that first"
    ):
        planned(stack(answers={("nginx", "nginx"): Completed(1, "", said)}))


def test_nginx_judges_its_new_files_and_the_message_names_them():
    deployment = stack()
    one = part(deployment)
    one.plan()
    said = (
        "nginx: [emerg] bad in /etc/nginx/nginx.conf:3\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"
    )
    deployment.answers["nginx", "nginx"] = Completed(1, "", said)
    with pytest.raises(Mismatch, match=r"bad in \.nself-prod/nginx/files/nginx\.conf:3$"):
        one.validate()
    deployment.answers["nginx", "nginx"] = Completed(0, "", "ok")
    one.validate()


def test_an_nginx_whose_files_are_not_on_the_host_is_refused_and_none_is_told():
    with pytest.raises(Refused, match="comes from no file of this host"):
        planned(stack(services={"nginx": {"volumes": []}}))
    with pytest.raises(Refused, match=r"nginx/sites/own\.conf: the last directive does not end"):
        planned(stack(extra={"sites/own.conf": "server_tokens"}))
    plan = planned(FakeStack(services={"hasura": {"image": "hasura"}}))
    assert plan.fragment == {} and "no nginx service" in plan.left[0]


def test_stale_copies_go():
    deployment = stack()
    deployment.host.files["/srv/app/%s/files/includes/old.conf" % OURS] = "x"
    assert planned(deployment).absent == [OURS + "/files/includes/old.conf"]


def _answers(monkeypatch, answer, old=()):
    monkeypatch.setattr(nginx_probe, "_wait", lambda *_words: None)
    monkeypatch.setattr(nginx_probe, "PATIENCE", 0.0)
    monkeypatch.setattr(nginx_probe, "_ask", answer)
    monkeypatch.setattr(nginx_probe.handshakes, "old_protocols", lambda _host, _door: {name: True for name in old})
    monkeypatch.setattr(nginx_probe.handshakes, "speaks", lambda _host, _door, _version: True)


def test_every_site_is_asked_for_what_was_wanted(monkeypatch):
    deployment = stack()
    one = part(deployment)
    one.plan()
    headers = tuple((header.name, "x") for header in table.HEADERS[1:])
    headers += (("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),)
    asked = []

    def good(_host, _address, expected, method, path, origin=""):
        asked.append((expected.name, method, path, origin))
        return Response(401 if (method, origin) != ("GET", "") or "prometheus" in expected.name else 200, headers, b"")

    _answers(monkeypatch, good)
    one._expected = [
        item for item in one._expected if item.name.split(".")[0] in ("prometheus", "api", "auth", "localhost")
    ]
    one.verify()
    assert ("api.localhost", "POST", "/v1/metadata", "") in asked
    assert any(name == "auth.localhost" and origin for name, _method, _path, origin in asked)
    _answers(monkeypatch, lambda *_words: Response(200, headers, b""))
    with pytest.raises(Mismatch, match="still answers"):
        one.verify()
    _answers(monkeypatch, lambda *_words: Response(401, (), b""))
    with pytest.raises(Mismatch, match=r"answers 401 with Strict-Transport-Security: \(none\)"):
        one.verify()
    _answers(monkeypatch, good, ["TLSv1"])
    with pytest.raises(Mismatch, match="still speaks TLSv1"):
        one.verify()


def test_a_worker_of_before_that_still_answers_is_waited_for(monkeypatch):
    monkeypatch.setattr(nginx_probe.time, "sleep", lambda _seconds: None)
    answers = iter([Response(200, (), b""), Response(200, (), b"")] + [Response(200, (("X-A", "1"),), b"")] * 2)
    _answers(monkeypatch, lambda *_words: next(answers))
    monkeypatch.setattr(nginx_probe, "PATIENCE", 5.0)
    nginx_probe.verify(stack(), "nginx", [nginx_probe.Expected("a.example.com", 443, {"X-A": "1"})])
    assert next(answers, None) is None


CLEAR = "server { listen 80%s; server_name %s; location / { proxy_pass http://%s; } }\n"


def _in_clear(*servers):
    """Return the part of a project behind a balancer that ends TLS."""
    files = {name: "" for name in stack().host.files if name.endswith(".conf") and "/nginx/nginx.conf" not in name}
    files = {name[len("/srv/app/nginx/") :]: text for name, text in files.items()}
    one = part(stack(extra=dict(files, **{"sites/own.conf": "".join(servers)})))
    one.left = one.plan().left
    return one


def test_sites_without_tls_are_asked_in_clear_as_the_balancer_does():
    one = _in_clear(CLEAR % ("", "app.example.com", "functions:1"), CLEAR % ("", "mail.example.com", "mailpit:1"))
    first, second = one._expected
    assert (first.name, first.port, first.tls, first.protocols) == ("app.example.com", 80, False, ())
    assert "X-Frame-Options" in first.headers and "Strict-Transport-Security" not in first.headers
    assert second.refused == [("GET", "/", "")]
    sent = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"
    host = FakeHost(peers={("172.18.0.10", 80): lambda asked: asked_with.append(asked) or sent})
    asked_with = []
    expected = nginx_probe.Expected("app.example.com", 80, {"X-A": "1"}, tls=False)
    assert nginx_probe.verify(FakeStack(containers={"nginx": {}}, host=host), "nginx", [expected])
    assert all(b"X-Forwarded-Proto: https" in text and b"Host: app.example.com" in text for text in asked_with if text)


def test_a_guarded_site_in_clear_may_send_on_to_https_and_nothing_else(monkeypatch):
    one = nginx_probe.Expected("mail.example.com", 80, {}, [("GET", "/", "")], tls=False)
    _answers(monkeypatch, lambda *_words: Response(302, (("Location", "https://mail.example.com/"),), b""))
    nginx_probe.verify(stack(), "nginx", [one])
    _answers(monkeypatch, lambda *_words: Response(302, (("Location", "/graph"),), b""))
    with pytest.raises(Mismatch, match=r"mail\.example\.com/ still answers strangers \(302\)"):
        nginx_probe.verify(stack(), "nginx", [one])


def test_a_name_with_tls_is_not_asked_in_clear_again_and_one_is_always_asked():
    tls = "server { listen 443 ssl; server_name app.example.com; ssl_certificate x; location / { return 200; } }\n"
    one = _in_clear(tls, CLEAR % ("", "app.example.com", "functions:1"))
    assert [(item.name, item.tls) for item in one._expected] == [("app.example.com", True)]
    one = _in_clear("server { listen 80 default_server; location / { return 200; } }\n")
    assert [(item.name, item.port) for item in one._expected] == [("localhost", 80)]
    one = _in_clear(CLEAR % (" proxy_protocol", "app.example.com", "functions:1"))
    assert not one._expected and any("nobody has asked whether headers" in line for line in one.left)


def test_an_nginx_that_says_nothing_is_told_unless_it_spoke_before(monkeypatch):
    one = _in_clear(CLEAR % ("", "app.example.com", "functions:1"))
    _answers(monkeypatch, lambda *_words: None)
    one.prepare(Changes(one.stack.host, False))
    one.verify()
    assert "closes the connection without an answer" in one._left[-1]
    _answers(monkeypatch, lambda *_words: Response(200, (), b""))
    one.prepare(Changes(one.stack.host, False))
    _answers(monkeypatch, lambda *_words: None)
    with pytest.raises(Mismatch, match="answers no request to any of its names any more"):
        one.verify()


def test_the_rotation_comes_and_goes_and_is_taken_back(tmp_path, monkeypatch):
    from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts import nginx
    from ansible_collections.nself.prod.plugins.module_utils.host import Host

    monkeypatch.setattr(nginx, "ROTATION", str(tmp_path / "rotation"))
    monkeypatch.setattr(Changes, "file", lambda self, path, text: pathlib.Path(path).write_text(text) > 0)
    one = part(stack())
    one.stack.host = Host()
    one._logs = True
    one.settle(Changes(Host(), check=False))
    assert "copytruncate" in (tmp_path / "rotation").read_text()
    one.revert()
    assert not (tmp_path / "rotation").exists()


def test_a_change_that_nginx_was_not_told_of_comes_into_force(monkeypatch):
    late = ["/etc/nginx/sites/api.conf"]
    monkeypatch.setattr(nginx_probe, "running_unit", lambda stack, service: {"service": service})
    monkeypatch.setattr(nginx_probe, "processes_of", lambda host, ids: {"1": ["7", "8"]})
    monkeypatch.setattr(nginx_probe.collected, "not_loaded", lambda host, unit: late[0] if unit["pids"] else "")
    deployment = stack("mended")
    one = part(deployment)
    one.plan()
    changes = Changes(deployment.host, check=True)
    one.settle(changes)
    reload_ = ("nginx", ["nginx", "-s", "reload"])
    assert "nginx reads nginx/sites/api.conf again" in str(changes.result())
    assert reload_ not in [item[:2] for item in deployment.ran]
    one.settle(Changes(deployment.host, check=False))
    assert reload_ in [item[:2] for item in deployment.ran]
    late[0] = ""
    changes = Changes(deployment.host, check=False)
    one.settle(changes)
    assert not changes.changed
