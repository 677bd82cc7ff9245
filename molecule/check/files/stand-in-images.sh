#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# STAND-INS, not the real services: images of one static busybox that carry the names in the compose file, so that the project's
# containers, users, limits, mounts and ports are real while nothing has to be downloaded. Each is labelled as what it is.
set -eu
root=$(mktemp -d)
mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/var/empty"
chmod 1777 "$root/tmp"
cp /bin/busybox "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
for image in postgres:16-alpine hasura/graphql-engine:v2.36.0 nhost/hasura-auth:0.36.0 redis:7-alpine nginx:1.27-alpine; do
    case $image in
        nginx:*) command='["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/var/empty"]' ;;
        *) command='["/bin/busybox", "sh", "-c", "trap exit TERM; while :; do /bin/busybox sleep 3600 & wait; done"]' ;;
    esac
    tar -C "$root" -c . | docker import --change "CMD $command" --change "LABEL nself.prod.test=stand-in" - "$image" >/dev/null
done
rm -rf "$root"
