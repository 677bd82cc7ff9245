# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hardened deployment as its users come to it: clients of the database, browsers, and what a server lives through."""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess
import time

import lab as labs
import power
from stackfaults.run import StackHost
from told import Stack

HOST = "deployed"
HERE = pathlib.Path(__file__).resolve().parents[1]
STACK = HERE.parent / "stack"
PAUSE = 20  # seconds after which the slowest limit lets an audit through
# What runs, without what is started once and ends.
RUNNING = "docker ps --no-trunc --quiet | sort"
RELOAD = "docker exec $(docker ps --quiet --filter label=com.docker.compose.service=nginx) nginx -s reload"


class Deployed(Stack):
    """The demo project on the hardened host."""

    @functools.cached_property
    def network(self):
        return next(iter(self.containers["postgres"]["NetworkSettings"]["Networks"]))

    def setting(self, name):
        return self.sh("sed -n 's/^%s=//p' /var/www/nself/.env.runtime | tail -n 1" % name).strip().strip("'\"")

    def psql(self, mode, network, address, query="SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"):
        """What a real client prints that comes over a network with this sslmode, and knows the project's authority."""
        # The password comes by a file that only root reads, and is on no command line.
        return self.sh(
            """umask 077; cd /var/www/nself
            sed -n 's/^POSTGRES_PASSWORD=/PGPASSWORD=/p' .env.runtime | tail -n 1 | tr -d "'" >/root/client.env
            docker run --rm --network %s --env-file /root/client.env --volume /var/www/nself/.nself-prod/postgres/ca.crt:/ca.crt:ro \
                --entrypoint psql %s -XAtq -c "%s" \
                "host=postgres hostaddr=%s user=%s dbname=%s sslmode=%s sslrootcert=/ca.crt connect_timeout=5" 2>&1"""
            % (
                network,
                self.containers["postgres"]["Image"],
                query,
                address,
                self.environment("postgres")["POSTGRES_USER"],
                self.environment("postgres")["POSTGRES_DB"],
                mode,
            )
        ).strip()

    @functools.cached_property
    def ways(self):
        """How a client comes: (network of its container, the server's address there) from within the project, and from the host."""
        inside = self.containers["postgres"]["NetworkSettings"]["Networks"][self.network]["IPAddress"]
        return {"inside": (self.network, inside), "outside": ("host", "127.0.0.1")}

    def upload(self, megabytes):
        """(status, bytes sent, answer) of an upload to the object store through nginx, as a client on the host makes it who waits when he is told so."""
        name = self.named("storage")
        # What has asked this name before counts against the five uploads a minute that nself allows.
        said = self.sh(
            "head -c %d /dev/zero >/var/tmp/upload; docker run --rm --network host --volume /var/tmp/upload:/upload:ro --entrypoint curl %s -sk "
            "--max-time 60 --retry 4 --retry-delay 15 --resolve %s:443:127.0.0.1 -T /upload -w '\\n%%{http_code} %%{size_upload}' "
            "https://%s/uploads/new; rm /var/tmp/upload"
            % (megabytes << 20, self.containers["nginx"]["Image"], name, name)
        )
        body, _line, numbers = said.rpartition("\n")
        status, size = numbers.split()
        return int(status), int(size), body


def well_again():
    """Wait until every service is well."""
    power.within(
        HOST, "sh", "-c", "for _ in $(seq 60); do docker info >/dev/null 2>&1 && exit; sleep 1; done; docker info"
    )
    host = StackHost(HOST, power.container(HOST), labs.EPHEMERAL)
    host.install()
    assert host.unwell() == []


def as_it_is():
    """As harden.yml left it."""
    well_again()


def built_anew():
    """The generated files are written again, and the stack is started as nself does."""
    for script in (HERE / "files/build.sh", STACK / "files/start.sh"):
        power.within(HOST, "sh", "-s", stdin=script.read_text(encoding="utf-8"))
    # What a build wrote is nginx's when that reads its files again, with or without hardening.
    power.within(HOST, "sh", "-c", RELOAD)
    # Unlike a new start that keeps what nginx has counted against its rate limits.
    time.sleep(PAUSE)
    well_again()


def engine_restarted():
    """Docker's engine is started again, and all containers with it."""
    power.within(HOST, "sh", "-c", "systemctl restart docker.service")
    well_again()


def rebooted():
    """The host is started anew."""
    power.reboot([HOST])
    well_again()


STATES = {"hardened": as_it_is, "built": built_anew, "engine": engine_restarted, "rebooted": rebooted}


def harden(*arguments, tags=()):
    """Run harden.yml as converge.yml does; return the finished process with all its output in stdout."""
    environment = dict(os.environ, ANSIBLE_CONFIG=str(labs.EPHEMERAL / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    words = ["ansible-playbook", str(labs.PROJECT / "playbooks/harden.yml"), "-i", str(labs.INVENTORY)]
    words += ["--tags", ",".join(tags)] if tags else []
    words += ["-e", json.dumps({"nself_harden_fail_on": "none"}), *arguments]
    return subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
