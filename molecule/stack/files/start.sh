#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Starts the project with the files and the name that `nself start` uses, and waits until nothing is starting any more.
set -eu
cd /var/www/nself
name=$(sed -n 's/^PROJECT_NAME=//p' .env.runtime | tail -n 1)
# With what nself runs once, which stands in a profile of its own.
docker compose --profile init-containers --project-name "$name" --env-file .env.runtime up --detach --no-build --quiet-pull 2>/root/start.log || { tail -n 20 /root/start.log >&2; exit 1; }
# What runs once has to be through too: it makes the buckets.
for _ in $(seq 120); do
    [ -n "$(docker ps --quiet --filter health=starting; docker ps --quiet --filter label=nself.type=init-container)" ] || exit 0
    sleep 1
done
echo "these services do not become healthy, or do not end:" >&2
docker ps --filter health=starting --format '{{.Names}}' >&2
docker ps --filter label=nself.type=init-container --format '{{.Names}}' >&2
exit 1
