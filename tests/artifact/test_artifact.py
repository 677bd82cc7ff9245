# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact that users install: it builds, holds what it should, installs offline, and runs from anywhere."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tarfile

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.executable).parent
# Folders that are there to make or to test the collection, and whatever a run leaves behind.
UNWANTED = (
    ".venv",
    ".cache",
    ".ci",
    ".git",
    "dist",
    "inventory",
    "molecule",
    "playbooks/collections",
    "tests/hosts",
    "tests/output",
    "tests/tools",
    "tests/truth",
    "security-report.json",
)


def run(*words, cwd, **variables):
    """Run a command with no configuration but its own; return the finished process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    environment.update(variables, PATH="%s:%s" % (BIN, os.environ["PATH"]))
    command = [str(word) for word in words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, check=False
    )


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    folder = tmp_path_factory.mktemp("built")
    built = run("ansible-galaxy", "collection", "build", "--output-path", folder, ROOT, cwd=folder)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("nself-prod-*.tar.gz")
    return path


@pytest.fixture(scope="module")
def installed(artifact, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    done = run(
        "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "-p",
        folder,
        artifact,
        cwd=folder,
        ANSIBLE_COLLECTIONS_PATH=str(folder),
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_it_holds_the_collection_and_nothing_else(artifact):
    with tarfile.open(artifact) as archive:
        names = archive.getnames()
    assert {
        "playbooks/check.yml",
        "plugins/modules/nself_audit.py",
        "meta/runtime.yml",
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
    } <= set(names)
    assert not [
        name for name in names if name.startswith(tuple(folder + "/" for folder in UNWANTED)) or name in UNWANTED
    ]
    assert not [name for name in names if name.endswith((".pyc", ".env", ".pem", ".key"))]


def test_it_runs_by_its_name_from_an_unrelated_folder(installed, tmp_path):
    done = run(
        "ansible-playbook",
        "nself.prod.check",
        "-i",
        "localhost,",
        "-c",
        "local",
        "-e",
        "ansible_python_interpreter=" + sys.executable,
        "-e",
        "nself_check_become=false",
        "-e",
        "nself_check_fail_on=none",
        "-e",
        "nself_check_output=report.json",
        cwd=tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(installed),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    schema = installed / "ansible_collections/nself/prod/docs/schema/security-report.schema.json"
    jsonschema.validate(report, json.loads(schema.read_text(encoding="utf-8")))
    assert [host["host"] for host in report["hosts"]] == ["localhost"]


def test_galaxy_would_import_it(artifact, tmp_path):
    done = run(sys.executable, "-m", "galaxy_importer.main", artifact, cwd=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "Importer processing completed successfully" in said, said
    assert "ERROR" not in said
