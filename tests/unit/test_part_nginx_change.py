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
