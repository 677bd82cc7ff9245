#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts the real PostgreSQL as the official image does: a cluster made at the first start with POSTGRES_PASSWORD, local sessions trusted,
# everybody else as POSTGRES_HOST_AUTH_METHOD says, then what stands in /docker-entrypoint-initdb.d.
set -eu
data=${PGDATA:-/var/lib/postgresql/data}
export PGDATA="$data" PATH="/usr/lib/postgresql/17/bin:$PATH"
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$data" /var/run/postgresql
    chown -R postgres:postgres "$data" /var/run/postgresql
    chmod 0700 "$data"
    chmod 2775 /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
    (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/pwfile)
    initdb --username="${POSTGRES_USER:-postgres}" --pwfile=/tmp/pwfile --auth-local=trust --auth-host=trust >/dev/null
    rm -f /tmp/pwfile
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$data/pg_hba.conf"
    pg_ctl -w -o "-c listen_addresses=''" start >/dev/null
    name=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
    [ "$name" = postgres ] || createdb --username="${POSTGRES_USER:-postgres}" "$name"
    for file in /docker-entrypoint-initdb.d/*.sql; do
        [ -f "$file" ] && psql -X -q -v ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname="$name" --file="$file"
    done
    pg_ctl -w -m fast stop >/dev/null
fi
[ "${1:-}" = postgres ] && shift
exec postgres -c listen_addresses='*' "$@"
