#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# What `nself build` and `nself start` write and no copy of a project holds: a certificate that nobody trusts, and the merged settings.
set -eu
cd /var/www/nself
folder=ssl/certificates/localhost
mkdir -p "$folder" nginx/conf.d-dev backups postgres/init
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,DNS:*.localhost' \
    -keyout "$folder/privkey.pem" -out "$folder/fullchain.pem" 2>/dev/null
chmod 0600 "$folder/privkey.pem"
chown -R deploy:deploy ssl nginx backups postgres
# Some of the files end without a line's end.
for file in .env.dev .env .env.computed; do cat "$file"; echo; done >.env.runtime
# nself makes the JSON that Hasura wants from a setting under another name, unless a file has it.
if ! grep -q '^HASURA_GRAPHQL_JWT_SECRET=' .env.runtime; then
    key=$(sed -n 's/^AUTH_JWT_SECRET=//p' .env.runtime | tail -n 1)
    echo "HASURA_GRAPHQL_JWT_SECRET={\"type\":\"HS256\",\"key\":\"$key\"}" >>.env.runtime
fi
chown deploy:deploy .env.runtime
chmod 0644 .env.runtime
