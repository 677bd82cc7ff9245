#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Writes the generated files anew as `nself build` does, and the merged settings as `nself start` does: what is not theirs they leave alone.
set -eu
cd /var/www/nself
# Into the files that are there, as a shell writes.
cat /root/as-built/docker-compose.yml >docker-compose.yml
(cd /root/as-built && find nginx -type f) | while read -r file; do cat "/root/as-built/$file" >"$file"; done
for file in .env.dev .env .env.computed; do cat "$file"; echo; done >.env.runtime
key=$(sed -n 's/^AUTH_JWT_SECRET=//p' .env.runtime | tail -n 1)
grep -q '^HASURA_GRAPHQL_JWT_SECRET=' .env || echo "HASURA_GRAPHQL_JWT_SECRET={\"type\":\"HS256\",\"key\":\"$key\"}" >>.env.runtime
