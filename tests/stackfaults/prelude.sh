# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# The words that faults of a deployment are written in, beside those of tests/lockout (lockout.sh: wait_for, watch_for, put, tiny_disk …).
. /root/stackfaults-words/lockout.sh
project=/var/www/nself
override=$project/docker-compose.override.yml

# As `nself start` calls it.
compose() {
    (cd "$project" && docker compose --project-name "$(sed -n 's/^PROJECT_NAME=//p' .env.runtime | tail -n 1)" --env-file .env.runtime "$@")
}
container() { docker ps --quiet --filter "label=com.docker.compose.service=$1"; }
# Without those that end by themselves.
ids() {
    docker ps --quiet | xargs docker inspect --format '{{if ne .HostConfig.RestartPolicy.Name "no"}}{{.Id}}{{end}}' | grep . | sort
}
setting() { sed -n "s/^$1=//p" "$project/.env.runtime" | tail -n 1; }

starting() { [ -n "$(docker ps --quiet --filter health=starting)" ]; }
settled() { ! starting; }

# A container has gone that was there when the run began. The list is written by the harness before each run.
recreating() { ! ids | cmp -s - /root/stackfaults-ids; }

# The stack does its work: a login at the database over the network, a name through nginx, and Redis by its password.
works() {
    docker exec -i "$(container postgres)" sh -c 'PGPASSWORD=$POSTGRES_PASSWORD psql -XAtq -h "$(hostname -i | cut -d" " -f1)" -U postgres -d "$POSTGRES_DB" -c "SELECT 6 * 7"' </dev/null | grep -qx 42
    code=$(docker exec -i "$(container nginx)" curl -sk -o /dev/null -w '%{http_code}' --max-time 5 --resolve api.localhost:443:127.0.0.1 https://api.localhost/healthz </dev/null)
    [ "$code" = 200 ] || { echo "nginx answers $code for api.localhost" >&2; return 1; }
    setting REDIS_PASSWORD | docker exec -i "$(container redis)" sh -c 'read -r REDISCLI_AUTH; export REDISCLI_AUTH; redis-cli ping' | grep -qx PONG
}

booted() { systemctl is-system-running 2>/dev/null | grep -qxE 'running|degraded'; }

# The process that changes the deployment, as its guard knows it; and whether nothing of a run goes on, nor a rollback.
changer() { cut -d ' ' -f 1 /etc/nself-prod/rollback/applier; }
at_rest() {
    flock --nonblock /run/nself-prod-deployment.lock true || return 1
    ! systemctl is-active nself-prod-rollback.timer nself-prod-rollback.service | grep -qxE 'active|activating'
}

# The rollback itself met with nothing.
put_back_well() { ! sed 1d /etc/nself-prod/rolled-back | grep . >&2; }

# An image of the same service that does something else at its start: $1: image, $2: shell before the service's own command.
image_that() {
    docker image inspect "$1" >/dev/null
    docker tag "$1" stackfaults/kept
    docker create --name stackfaults "$1" >/dev/null
    entry=$(docker image inspect --format '{{join .Config.Entrypoint "\", \""}}' "$1")
    docker commit --change "ENTRYPOINT [\"sh\", \"-c\", \"$2; exec \\\"\$@\\\"\", \"start\", \"$entry\"]" stackfaults "$1" >/dev/null
    docker rm stackfaults >/dev/null
}
image_back() {
    docker tag stackfaults/kept "$1"
    docker rmi stackfaults/kept >/dev/null
}

# The container of a service that the run has made, if it runs already.
made_anew() {
    docker ps --quiet --no-trunc --filter "label=com.docker.compose.service=$1" --filter status=running | grep -vxF -f /root/stackfaults-ids
}

# The user's own words about a service, in force: $1: service, the rest: lines of it.
own_words() {
    service=$1
    shift
    { printf 'services:\n  %s:\n' "$service"; printf '    %s\n' "$@"; } >"$override"
    compose up --detach --no-build --timeout 2 "$service" 2>/dev/null
    wait_for 90 settled
}
no_own_words() {
    rm "$override"
    compose up --detach --no-build --timeout 2 "$1" 2>/dev/null
    wait_for 90 settled
}

# Docker has told a service to stop since the run began.
told_to_stop() {
    docker events --since "$(stat -c %Y /root/stackfaults-ids)" --until "$(date +%s)" --filter event=kill \
        --filter "label=com.docker.compose.service=$1" | grep -q .
}

engine_stops() { systemctl stop docker.socket docker.service 2>/dev/null; }
engine_starts() {
    systemctl reset-failed docker.service docker.socket 2>/dev/null || :
    systemctl start docker.socket docker.service
    wait_for 60 docker info
}
