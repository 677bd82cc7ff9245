#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs on the stack host: gives the one image of services the names in nself's compose file, each with what it starts. All share one layer.
set -eu
base=${1:?which image}

name() {  # $1: image, $2: user or "", the rest: changes
    image=$1
    user=$2
    shift 2
    docker create --name naming "$base" >/dev/null
    docker commit ${user:+--change "USER $user"} "$@" naming "$image" >/dev/null
    docker rm naming >/dev/null
}

stand_in() {  # $1: image, $2: what it stands in for
    name "$1" "" --change "ENTRYPOINT [\"python3\", \"-B\", \"/stand-in/stand_in.py\", \"$2\"]" --change 'CMD []' --change 'LABEL nself.prod.test=stand-in'
}

name postgres:16-alpine "" --change 'ENTRYPOINT ["/stand-in/postgres.sh"]' --change 'CMD ["postgres"]' \
    --change 'ENV PGDATA=/var/lib/postgresql/data' --change 'VOLUME /var/lib/postgresql/data'
name nginx:alpine "" --change 'ENTRYPOINT []' --change 'CMD ["nginx", "-g", "daemon off;"]'
name redis:7-alpine "" --change 'ENTRYPOINT []' --change 'CMD ["redis-server"]' --change 'WORKDIR /data'
name busybox:latest "" --change 'ENTRYPOINT []' --change 'CMD ["sh"]'
stand_in hasura/graphql-engine:v2.36.0 hasura
stand_in nhost/hasura-auth:latest auth
stand_in minio/minio:latest minio
docker create --name naming "$base" >/dev/null
printf '#!/bin/sh\n# A STAND-IN for mc.\nexec python3 -B /stand-in/stand_in_mc.py "$@"\n' >/tmp/mc
chmod 0755 /tmp/mc
docker cp /tmp/mc naming:/usr/bin/mc >/dev/null
docker commit --change 'LABEL nself.prod.test=stand-in' naming minio/mc:latest >/dev/null
docker rm naming >/dev/null
stand_in nself/nself-admin:latest admin
stand_in nhost/functions:latest functions
stand_in axllent/mailpit:latest mailpit
stand_in getmeili/meilisearch:v1.5 meilisearch
stand_in prom/prometheus:latest prometheus
stand_in grafana/grafana:latest grafana
stand_in grafana/loki:2.9.0 loki
stand_in grafana/promtail:2.9.0 nothing
stand_in grafana/tempo:latest tempo
stand_in prom/alertmanager:latest alertmanager
stand_in gcr.io/cadvisor/cadvisor:latest cadvisor
stand_in prom/node-exporter:latest node-exporter
stand_in prometheuscommunity/postgres-exporter:latest postgres-exporter
stand_in oliver006/redis_exporter:latest redis-exporter
# The same under exact tags, as a mended project names them.
for pair in postgres:16-alpine=postgres:16.4-alpine3.20 nginx:alpine=nginx:1.27.1-alpine redis:7-alpine=redis:7.4.0-alpine \
    nhost/hasura-auth:latest=nhost/hasura-auth:0.36.0 minio/minio:latest=minio/minio:RELEASE.2024-09-13T20-26-02Z \
    nhost/functions:latest=nhost/functions:1.3.0 getmeili/meilisearch:v1.5=getmeili/meilisearch:v1.10.1 \
    prom/prometheus:latest=prom/prometheus:v2.54.1 grafana/grafana:latest=grafana/grafana:11.2.0 \
    prom/alertmanager:latest=prom/alertmanager:v0.27.0 nself/nself-admin:latest=nself/nself-admin:0.1.0; do
    docker tag "${pair%%=*}" "${pair#*=}"
done
for service in mlflow express_api bullmq_worker go_grpc python_api; do stand_in "demo-app-$service" "$service"; done
