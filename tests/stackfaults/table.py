# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of a deployment's hardening."""

from __future__ import annotations

from stackfaults.fault import MADE, NEXT_RUN, REFUSED, TAKEN_BACK, WORDS, Fault

REDIS_IS_NEW = WORDS + "made_anew redis"
# Of the services whose needs the role knows, so that it does not look what they have written.
FUNCTIONS = "nhost/functions:latest"

# -- what is given is wrong ------------------------------------------------------------------------------------------------
GIVEN = (
    Fault(
        "a setting of the guide is misspelt",
        REFUSED,
        "HSTS_MAX_AGE",
        options={"nself_settings": {"HSTS_MAXAGE": "31536000"}},
        lean=True,
    ),
    Fault(
        "a variable of a role has a value that is none",
        REFUSED,
        "nginx_hsts_max_age",
        ("nginx",),
        {"nginx_hsts_max_age": "for ever"},
    ),
    Fault(
        "what a role is told makes no valid fragment",
        REFUSED,
        "lots",
        ("containers",),
        {"containers_limits": {"redis": {"memory": "lots"}}},
    ),
)

# -- the project is not in order -------------------------------------------------------------------------------------------
PROJECT = (
    Fault(
        "the user's override is no YAML",
        REFUSED,
        "docker-compose.override.yml",
        breaks="printf 'services: [\\n' >$override",
        mends="rm $override",
    ),
    Fault(
        "the user's override has a key that compose does not know",
        REFUSED,
        "imagee",
        breaks="printf 'services:\\n  redis:\\n    imagee: redis:7\\n' >$override",
        mends="rm $override",
    ),
    Fault(
        "a syntax error in a file of the user's nginx, which the running one has not read",
        REFUSED,
        r"own\.conf",
        breaks="printf 'server {\\n    listen 8099\\n' >$project/nginx/conf.d/own.conf",
        mends="rm $project/nginx/conf.d/own.conf",
    ),
    Fault(
        "the image of a service is gone, and no registry has it",
        REFUSED,
        "redis:7-alpine",
        breaks="docker rmi redis:7-alpine >/dev/null",
        mends="docker tag redis:7.4.0-alpine redis:7-alpine",
    ),
    Fault(
        "an image that cannot live with a read-only root",
        TAKEN_BACK,
        "functions (is|ended|ran)",
        ("containers",),
        breaks="image_that %s 'date >/opt/started || exit 1'\ncompose up -d --no-build functions 2>/dev/null\nwait_for 90 settled"
        % FUNCTIONS,
        mends="image_back %s" % FUNCTIONS,
    ),
    Fault(
        "a service that becomes unhealthy once it was made anew",
        TAKEN_BACK,
        r"functions (is|became) unhealthy.*alive",
        ("containers",),
        # It starts and runs in both forms; only its own check finds out that it cannot write any more.
        breaks='own_words functions \'healthcheck: {test: ["CMD-SHELL", "touch /opt/alive"], interval: 2s, retries: 2}\'',
        mends="no_own_words functions",
    ),
)

# -- the host is not in order ----------------------------------------------------------------------------------------------
HOST = (
    Fault(
        "Docker is stopped, and its containers run on",
        REFUSED,
        "Docker",
        breaks="engine_stops",
        heals="engine_starts",
        down=True,
    ),
    Fault(
        "the project's folder is read-only",
        REFUSED,
        "[Rr]ead-only",
        breaks="mount --bind $project $project\nmount -o remount,ro,bind $project",
        mends="umount $project",
    ),
    Fault(
        "the disk of the project is full",
        REFUSED,
        "no room left",
        breaks="tiny_disk_over $project 3m\nfill $project",
        mends="umount $project",
    ),
)

# -- something happens in the middle ---------------------------------------------------------------------------------------
MEANWHILE = (
    Fault(
        "a service hangs as soon as it was made anew",
        TAKEN_BACK,
        "redis",
        during="docker pause $(container redis)",
        at=REDIS_IS_NEW,
    ),
    Fault(
        "the controller is killed in the middle, with its connections",
        MADE,
        from_outside="kill",
    ),
    Fault(
        "the change is killed in the middle (SIGKILL)",
        TAKEN_BACK,
        r"takes\s+back\s+by\s+itself",
        during="kill -KILL $(changer)",
        heals="wait_for 300 at_rest",
        holds="put_back_well",
        lean=True,
        note="A watch on the host sees that the process is gone.",
    ),
    Fault(
        "the change is killed (SIGKILL) while Docker still waits for a service to stop",
        TAKEN_BACK,
        r"takes\s+back\s+by\s+itself",
        # It takes no notice of the signal, so Docker ends it only after that time.
        breaks="own_words redis 'stop_signal: SIGWINCH' 'stop_grace_period: 20s'",
        during="kill -KILL $(changer)",
        at=WORDS + "told_to_stop redis",
        heals="wait_for 300 at_rest",
        holds="put_back_well",
        mends="no_own_words redis",
        note="The call of docker compose that lives on is ended too, and what Docker then stops is started again.",
    ),
    Fault(
        "the server's key gets a wrong owner in the middle",
        TAKEN_BACK,
        r"server\.key",
        ("postgres_tls",),
        during="chown 4242 $project/.nself-prod/postgres/server/server.key",
        at=WORDS + "[ -e $project/.nself-prod/postgres/server/server.key ]",
    ),
    Fault(
        "a second run at the same time",
        MADE,
        from_outside="beside",
        beside_says="another run",
    ),
    Fault(
        "Docker's engine is killed in the middle, and systemd starts it again",
        TAKEN_BACK,
        during="systemctl kill --signal=KILL docker.service",
        heals="wait_for 90 docker info",
    ),
    Fault(
        "Docker's engine is stopped in the middle, and stays so",
        NEXT_RUN,
        "Docker",
        during="engine_stops",
        heals="engine_starts",
    ),
    Fault(
        "the host loses its power in the middle",
        TAKEN_BACK,
        from_outside="reboot",
        heals="wait_for 300 at_rest",
        holds="put_back_well",
        note="It is taken back when the host has booted.",
    ),
)

FAULTS = (*GIVEN, *PROJECT, *HOST, *MEANWHILE)
