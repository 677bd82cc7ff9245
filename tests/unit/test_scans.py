# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images' references and the reports of Trivy."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from ansible_collections.nself.prod.plugins.module_utils.audit.collect import scans
from ansible_collections.nself.prod.plugins.module_utils.audit.facts import Unread
from ansible_collections.nself.prod.plugins.module_utils.deployment import images
from ansible_collections.nself.prod.plugins.module_utils.host import HostError
from ansible_collections.nself.prod.plugins.module_utils.parse import trivy
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

NOW = 1.8e9  # 2027-01-15T08:00:00Z
RUNNING, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    "reference",
    [
        "hasura/graphql-engine:v2.36.0",
        "nginx:1.27.1-alpine",
        "localhost:5000/nginx:1.27.1",
        "minio/minio:RELEASE.2024-09-13T20-26-02Z",
        "postgres:16.4-alpine3.20",
        "postgres:16.4",
        "app:release-1.2.3",
        "nginx@sha256:" + "0" * 64,
        "nginx:latest@sha256:" + "0" * 64,
    ],
)
def test_exact_references(reference):
    assert images.is_exact(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "nginx",
        "nginx:latest",
        "nginx:1.27",
        "postgres:16-alpine",
        "postgres:16-alpine3.20",
        "getmeili/meilisearch:v1.5",
        "node:20-alpine3.18.2",
        "registry.acme.test:5000/nginx",
        "10.0.0.1:5000/nginx",
        "nginx@sha256:0",
        "",
    ],
)
def test_floating_references(reference):
    assert not images.is_exact(reference)


@pytest.mark.parametrize(
    "reference, full",
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("prom/prometheus:v1", "docker.io/prom/prometheus:v1"),
        ("gcr.io/a/b", "gcr.io/a/b:latest"),
        ("localhost:5000/b:1", "localhost:5000/b:1"),
        ("nginx:1@sha256:ab", "docker.io/library/nginx@sha256:ab"),
    ],
)
def test_full_references(reference, full):
    assert images.full(reference) == full


@given(st.text(alphabet="a1.:/@-_v", max_size=30))
def test_references_of_rubbish(text):
    images.full(text)
    images.is_exact(text)


# -- Trivy -----------------------------------------------------------------------------------------------------------------


def hole(severity="CRITICAL", fixed="1.2.4", name="CVE-2026-0001"):
    return {"VulnerabilityID": name, "Severity": severity, "FixedVersion": fixed}


def report(*holes, image="nginx:1.27.1", when="2027-01-10T08:00:00.123456789Z", ids=None, **more):
    out = {
        "SchemaVersion": 2,
        "CreatedAt": when,
        "ArtifactName": image,
        "ArtifactType": "container_image",
        "Results": [{"Target": image, "Class": "os-pkgs"}, {"Target": "app", "Vulnerabilities": list(holes)}],
    }
    if ids is not None:
        out["Metadata"] = ids
    out.update(more)
    return json.dumps(out)


def test_a_report_is_read():
    scan = trivy.parse(
        report(
            hole(), hole(), hole("HIGH"), hole(fixed=""), ids={"ImageID": RUNNING, "RepoDigests": ["nginx@" + OTHER]}
        )
    )
    assert scan == trivy.Scan("nginx:1.27.1", (RUNNING, OTHER), NOW - 5 * 86400, ("CVE-2026-0001",))


def test_an_id_that_is_none_is_not_passed_on():
    assert trivy.parse(report(hole(name="a\nb"))).fixable == ("one without an id",)


def test_zones_are_heeded():
    assert trivy.parse(report(when="2027-01-15T10:00:00+02:00")).created == NOW


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 9999,
        report(Results=[]),
        report(Results=None),
        report(Results=[7]),
        report(Results=[{"Vulnerabilities": 7}]),
        report(Results=[{"Vulnerabilities": [{"FixedVersion": "1"}]}]),
        report(ArtifactType="filesystem"),
        report(image=""),
        report(when="yesterday"),
        report(when="2027-13-01T00:00:00Z"),
    ],
)
def test_what_is_no_report(text):
    with pytest.raises(trivy.TrivyError):
        trivy.parse(text)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["CRITICAL", RUNNING])
KEYS = st.sampled_from(
    ["ArtifactName", "CreatedAt", "Results", "Vulnerabilities", "Severity", "FixedVersion", "Metadata"]
)
TREES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=4),
    max_leaves=15,
)


@given(TREES, TREES, TREES)
def test_rubbish_raises_nothing_else(tree, results, metadata):
    for text in (json.dumps(tree), report(Results=results, Metadata=metadata), str(tree)):
        try:
            trivy.parse(text)
        except trivy.TrivyError:
            pass


# -- and which image each is about -----------------------------------------------------------------------------------------


def found(*files, image="nginx:1.27.1", level="running"):
    units = [{"level": level, "image": image, "image_id": RUNNING}]
    project = SimpleNamespace(units=units, found=SimpleNamespace(directory="/opt/nself"))
    host = FakeHost(
        {"/opt/nself/.nself-prod/scans/%d.json" % number: text for number, text in enumerate(files)}, now=NOW
    )
    return scans.collect(host, {"project": project}.__getitem__)["images"].get(image)


def test_the_newest_report_counts():
    assert found(report(hole(), when="2027-01-01T08:00:00Z"), report()) == {"age_days": 5.0, "fixable": []}


def test_a_report_goes_by_the_digest_of_the_running_image():
    same = report(image="mirror.acme.test/nginx:1.27.1", ids={"ImageID": RUNNING})
    assert found(same) == {"age_days": 5.0, "fixable": []}
    other = report(ids={"ImageID": OTHER})
    assert found(other).detail == "the image that was scanned under this name is not the one that runs"
    assert found(other, same) == {"age_days": 5.0, "fixable": []}
    # An engine may know an image by the registry's digest.
    assert found(report(ids={"ImageID": OTHER, "RepoDigests": ["nginx@" + RUNNING]}))["age_days"] == 5.0


def test_no_report_and_reports_on_others():
    assert found() is None
    assert found(report(image="redis:7.4.0")) is None


def test_what_is_no_report_is_said():
    assert found("{}").detail == "no scan, and 0.json: it is no report of Trivy"
    assert found(HostError("needs_root", "0.json", "permission denied")).reason == "parse_error"
    assert found("{}", report())["age_days"] == 5.0


def test_a_date_in_the_future_is_not_believed():
    assert isinstance(found(report(when="2028-01-01T00:00:00Z")), Unread)


def test_what_does_not_run_has_no_image_to_scan():
    assert found(report(), level="rendered") is None
