# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates and keys: another one put where nginx reads it."""

from __future__ import annotations

from truth.mutation import Mutation, fails

FOLDER = "/var/www/nself/ssl/certificates/example-test"
NGINX = "/var/www/nself/nginx/nginx.conf"
STORE = "/etc/letsencrypt/live/example.test"


def certificate(name, making, *checks, ciphers="ssl_ciphers "):
    """Replace the certificate, in certbot's store too. making: what makes $work/key.pem and $work/leaf.pem, with the authority in /root/ca."""
    breaks = (
        "work=$(mktemp -d)\n"
        "printf 'subjectAltName=DNS:example.test,DNS:*.example.test\\nbasicConstraints=CA:FALSE\\n' >$work/ext\n"
        "for file in %s/fullchain.pem %s/privkey.pem %s/fullchain.pem %s/privkey.pem; do keep $file; done\n"
        "{ %s; } 2>/dev/null\n"
        "for folder in %s %s; do cat $work/leaf.pem /root/ca/ca.pem >$folder/fullchain.pem; cat $work/key.pem >$folder/privkey.pem; done\n"
        "rm -r $work\nreload_nginx" % (FOLDER, FOLDER, STORE, STORE, making, FOLDER, STORE)
    )
    # OpenSSL's own floor has to give way to a key below it.
    breaks = "edit %s 's/ssl_ciphers /%s/'\n%s" % (NGINX, ciphers, breaks) if ciphers != "ssl_ciphers " else breaks
    mends = "back %s %s/fullchain.pem %s/privkey.pem %s/fullchain.pem %s/privkey.pem\nreload_nginx" % (
        NGINX,
        FOLDER,
        FOLDER,
        STORE,
        STORE,
    )
    return Mutation(name, breaks, mends, fails(*checks))


def signed(days, bits=2048):
    return (
        "openssl req -newkey rsa:%d -nodes -subj /CN=example.test -keyout $work/key.pem -out $work/req.pem && "
        "openssl x509 -req -in $work/req.pem -CA /root/ca/ca.pem -CAkey /root/ca/key.pem -CAcreateserial -days %d -extfile $work/ext -out $work/leaf.pem"
        % (bits, days)
    )


MUTATIONS = (
    certificate(
        "a certificate that nobody vouches for",
        "openssl req -x509 -newkey rsa:2048 -nodes -days 60 -subj /CN=example.test -addext subjectAltName=DNS:example.test,DNS:*.example.test "
        "-keyout $work/key.pem -out $work/leaf.pem",
        "NET-03",
    ),
    certificate("a certificate that ends next week", signed(7), "NET-04", "NET-05"),
    certificate(
        "a certificate with a short key", signed(60, 1024), "NET-03", "NET-06", ciphers="ssl_ciphers @SECLEVEL=0:"
    ),
    Mutation(
        "nothing renews the certificates",
        "systemctl disable --now -q certbot.timer",
        "systemctl enable --now -q certbot.timer",
        fails("NET-05"),
    ),
    Mutation(
        "the key is open to all",
        "chmod 0644 %s/privkey.pem" % FOLDER,
        "chmod 0600 %s/privkey.pem" % FOLDER,
        fails("NET-07"),
    ),
)
