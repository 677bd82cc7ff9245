#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Secrets, certificates and backups of the mended project: made on the host, new each time.
set -eu
umask 077
cd /var/www/nself
random() { openssl rand -hex 32; }

mkdir -p ssl/certificates/example-test postgres/tls nginx/users logs/nginx redis minio backups .ca
openssl req -x509 -newkey rsa:3072 -nodes -days 3650 -subj '/CN=Blue Sky Root X1' -keyout .ca/key.pem -out .ca/ca.pem 2>/dev/null
certificate() {  # $1: folder, $2: names, $3: certificate's file, $4: key's file
    openssl req -newkey rsa:2048 -nodes -subj "/CN=example.test" -keyout "$1/$4" -out .ca/request.pem 2>/dev/null
    printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\n' "$2" >.ca/extensions
    openssl x509 -req -in .ca/request.pem -CA .ca/ca.pem -CAkey .ca/key.pem -CAcreateserial -days 60 -extfile .ca/extensions -out .ca/leaf.pem 2>/dev/null
    cat .ca/leaf.pem .ca/ca.pem >"$1/$3"
}
certificate ssl/certificates/example-test 'DNS:example.test,DNS:*.example.test' fullchain.pem privkey.pem
certificate postgres/tls DNS:postgres server.crt server.key
chown -R 70:70 postgres/tls
install -m 0644 .ca/ca.pem /usr/local/share/ca-certificates/blue-sky-root.crt
update-ca-certificates >/dev/null 2>&1
mv .ca /root/ca
# Where certbot keeps what nginx serves.
install -d -m 0700 /etc/letsencrypt/live/example.test
cp ssl/certificates/example-test/fullchain.pem ssl/certificates/example-test/privkey.pem /etc/letsencrypt/live/example.test/

cat >.env <<END
ENV=prod
PROJECT_NAME=mended
BASE_DOMAIN=example.test
POSTGRES_USER=postgres
POSTGRES_DB=app
POSTGRES_PASSWORD=$(random)
APP_PASSWORD=$(random)
REDIS_PASSWORD=$(random)
HASURA_GRAPHQL_ADMIN_SECRET=$(random)
HASURA_GRAPHQL_JWT_SECRET='{"type":"HS512","key":"$(random)$(random)","issuer":"hasura-auth"}'
HASURA_GRAPHQL_ENABLE_CONSOLE=false
HASURA_DEV_MODE=false
HASURA_GRAPHQL_CORS_DOMAIN=https://www.example.test
AUTH_ACCESS_TOKEN_EXPIRES_IN=900
MINIO_ROOT_USER=$(openssl rand -hex 8)
MINIO_ROOT_PASSWORD=$(random)
MINIO_KMS_SECRET_KEY=example-key:$(openssl rand -base64 32)
MEILISEARCH_MASTER_KEY=$(random)
GRAFANA_ADMIN_PASSWORD=$(random)
BACKUP_KEY_FILE=/root/backup.key
END
. ./.env
printf 'bind * -::*\nprotected-mode yes\nappendonly yes\ndir /data\nrequirepass %s\n' "$REDIS_PASSWORD" >redis/redis.conf
chown -R 999:999 redis
printf '{"uploads": {"public": false, "encrypted": true}, "private": {"public": false, "encrypted": true}}\n' >minio/buckets.json
printf 'ops:%s\n' "$(random | openssl passwd -apr1 -stdin)" >nginx/users/consoles
printf "ALTER ROLE app PASSWORD '%s';\n" "$APP_PASSWORD" >postgres/init/20-password.sql
chown -R 70:70 postgres/init
cp .env .env.runtime
mkdir -p .nself-prod
{
    printf '{'
    sed -nE 's/^([A-Z_]*(PASSWORD|SECRET|KEY)[A-Z_]*)=.*/\1/p' .env | while read -r name; do printf '"%s": "%s", ' "$name" "$(date -I)"; done
    printf '"_": "%s"}\n' "$(date -I)"
} >.nself-prod/rotation.json

# What a scanner, a copy to another place and a drill leave behind: written by hand here, for none of them can be had.
mkdir -p .nself-prod/scans
sed -nE 's/^ +image: (.*)$/\1/p' docker-compose.yml | while read -r image; do
    printf '{"SchemaVersion": 2, "ArtifactName": "%s", "ArtifactType": "container_image", "CreatedAt": "%s", "Results": [{"Target": "x", "Class": "os-pkgs"}]}\n' \
        "$image" "$(date -u +%FT%TZ)" >".nself-prod/scans/$(printf '%s' "$image" | tr '/:' '__').json"
done
printf '{"date": "%s", "to": "away:backups"}\n' "$(date -u +%FT%TZ)" >.nself-prod/offsite-sync.json
printf '{"date": "%s", "file": "app-%s.sql.gz.enc"}\n' "$(date -I)" "$(date +%Y%m%d)" >.nself-prod/restore-drill.json

# Five backups, encrypted for real, the newest of today, with the key elsewhere.
random >/root/backup.key
for day in 4 3 2 1 0; do
    file=backups/app-$(date -d "$day days ago" +%Y%m%d).sql.gz.enc
    head -c $((200000 + day * 1000)) /dev/urandom | openssl enc -aes-256-cbc -pbkdf2 -pass file:/root/backup.key -out "$file"
    touch -d "$day days ago" "$file"
done

# What a container reads as another user it has to reach; the secrets among it stay 0600 and belong to that user.
chmod 0711 . nginx ssl ssl/certificates ssl/certificates/example-test postgres logs minio redis monitoring hasura nginx/users
chmod -R a+rX nginx/conf.d nginx/sites nginx/includes nginx/nginx.conf monitoring hasura postgres/pg_hba.conf minio
chown 0:101 nginx/users/consoles && chmod 0640 nginx/users/consoles
chmod 0755 logs/nginx
chmod 0700 backups postgres/tls postgres/init
chmod 0600 .env .env.runtime ssl/certificates/example-test/privkey.pem docker-compose.yml
printf '.env*\nssl/\nbackups/\n' >.gitignore
