# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# The words that mutations are written in. What they change they keep a copy of, so that `back` brings it back byte for byte.
set -eu
project=/var/www/nself
kept=/root/truth/kept
roles=${roles-}  # of harden.yml that are to mend it, where the stack was hardened by them

keep() {  # $1: path
    [ -e "$kept$1" ] || [ -e "$kept$1.absent" ] || {
        mkdir -p "$kept$(dirname "$1")"
        if [ -e "$1" ]; then cp -a "$1" "$kept$1"; else : >"$kept$1.absent"; fi
    }
}

put() {  # $1: path; its text on stdin
    keep "$1"
    mkdir -p "$(dirname "$1")"
    cat >"$1"
}

# The file that nginx or PostgreSQL really reads: where a role put one of its own over, or beside, one of the project's, that one.
in_force() {  # $1: path
    case $1 in
        "$project"/nginx/*) over=$(mounted nginx "/etc/nginx/${1#"$project"/nginx/}") ;;
        "$project"/postgres/pg_hba.conf) over=$(mounted postgres /etc/nself-prod/postgres); over=${over:+$over/pg_hba.conf} ;;
        *) over= ;;
    esac
    echo "${over:-$1}"
}
mounted() { docker inspect --format "{{range .Mounts}}{{if eq .Destination \"$2\"}}{{.Source}}{{end}}{{end}}" "$(container "$1")"; }

append() {  # $1: path, $2: line
    set -- "$(in_force "$1")" "$2"
    keep "$1"
    echo "$2" >>"$1"
}

edit() {  # $1: path, $2: sed expression; a change that changes nothing is a mistake of the table
    set -- "$(in_force "$1")" "$2"
    keep "$1"
    cp -a "$1" "$1.edited"
    sed -i -E "$2" "$1.edited"
    if cmp -s "$1" "$1.edited"; then rm "$1.edited"; echo "edit $1: '$2' changes nothing" >&2; return 1; fi
    # In place: a container that mounts the file itself sees the old one otherwise.
    cat "$1.edited" >"$1"
    rm "$1.edited"
}

back() {  # paths
    for path in "$@"; do
        [ -e "$kept$path" ] || [ -e "$kept$path.absent" ] || path=$(in_force "$path")
        if [ -e "$kept$path.absent" ]; then rm -rf "$path" "$kept$path.absent"; continue; fi
        [ -e "$kept$path" ] || continue
        if [ -f "$path" ] && [ -f "$kept$path" ]; then
            cat "$kept$path" >"$path"
            chown --reference="$kept$path" "$path"
            chmod --reference="$kept$path" "$path"
            touch --reference="$kept$path" "$path"
        else
            rm -rf "$path"
            cp -a "$kept$path" "$path"
        fi
        rm -rf "${kept:?}$path"
    done
}

wait_for() {  # $1: seconds, the rest: a command
    seconds=$1
    shift
    while ! "$@" >/dev/null 2>&1; do
        seconds=$((seconds - 1))
        [ "$seconds" -gt 0 ] || { echo "not in time: $*" >&2; return 1; }
        sleep 1
    done
}

compose() {
    (cd "$project" && docker compose --project-name "$(sed -n 's/^PROJECT_NAME=//p' .env.runtime | tail -n 1)" --env-file .env.runtime "$@")
}
container() { docker ps --quiet --filter "label=com.docker.compose.service=$1"; }
healthy() { [ "$(docker inspect --format '{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}' "$(container "$1")")" = healthy ]; }

# Not with --no-deps: compose would leave depends_on out of the hash by which it tells whether a service is what its files say.
up() {  # services: bring them to what the files say
    for service in "$@"; do
        compose up --detach --timeout 1 "$service" >/dev/null 2>&1 || { compose up --detach "$service" >&2; return 1; }
    done
    for service in "$@"; do wait_for 60 healthy "$service"; done
}

patch() {  # $1: JSON merged into the override file (null takes a key away), the rest: services to bring up
    keep "$project/docker-compose.override.yml"
    # shellcheck disable=SC2086  # a list of words
    python3 /root/truth/merge.py "$project/docker-compose.override.yml" "$1" $roles
    chmod 0600 "$project/docker-compose.override.yml"
    shift
    up "$@"
}

unpatch() {  # services
    back "$project/docker-compose.override.yml"
    up "$@"
}

# The file whose command line PostgreSQL is started with: our document of the override wins over the project's own file.
started_by() {
    for path in "$project/docker-compose.override.yml" "$project/docker-compose.yml"; do
        if [ -e "$path" ] && grep -Eq '^ +- "?ssl=' "$path"; then echo "$path"; return; fi
    done
}

sql() { docker exec -i "$(container postgres)" psql -X -q -v ON_ERROR_STOP=1 -U postgres -d app >/dev/null; }
reload_nginx() {
    docker exec "$(container nginx)" nginx -t -q
    # A new worker's start is told in hundredths of a second, a file's change is too: what is loaded has to be the later.
    sleep 1
    docker exec "$(container nginx)" nginx -s reload 2>/dev/null
    sleep 1
}
