# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What renews certificates by itself: timers, words of a crontab, images, and where their certificates lie."""

from __future__ import annotations

import re

# systemd timers of the packages and snaps, and of each client's own instructions.
TIMERS = (
    "certbot.timer",
    "certbot-renew.timer",
    "snap.certbot.renew.timer",
    "acme.timer",
    "acme.sh.timer",
    "acmesh.timer",
    "acme-renew.timer",
    "acmetool.timer",
    "lego.timer",
    "lego-renew.timer",
    "dehydrated.timer",
    "nself-ssl-renew.timer",
)
# Daemons that run crontabs.
CRON_DAEMONS = ("cron.service", "crond.service", "cronie.service")
# Lines of a crontab, or scripts of cron.daily, that renew. Debian's own line for certbot does nothing under systemd, where the
# timer does it (`test … -a \! -d /run/systemd/system`).
COMMAND = re.compile(
    r"\b(certbot\b|acme\.sh|acme-tiny|lego\b.*\brenew|dehydrated\b|getssl\b|acmetool\b|nself\s.*\bssl\b.*\brenew)"
)
ONLY_WITHOUT_SYSTEMD = re.compile(r"!\s+-d\s+/run/systemd/system")
# Images that do nothing else than to keep certificates fresh, or that do it for what they serve.
IMAGES = re.compile(r"(^|/)(certbot|acme\.sh|lego|acme-companion|letsencrypt-nginx-proxy-companion)(?=[:/@-]|$)")
# Where the clients keep their certificates: {folder: names of the file with the chain, "*" for any}.
STORES = {
    "/etc/letsencrypt/live": ("fullchain.pem",),
    "/root/.acme.sh": ("fullchain.cer",),
    "/var/lib/dehydrated/certs": ("fullchain.pem",),
    "/var/lib/acme/live": ("fullchain",),
}
CRON_FILES = ("/etc/crontab",)
CRON_FOLDERS = (
    "/etc/cron.d",
    "/etc/cron.hourly",
    "/etc/cron.daily",
    "/etc/cron.weekly",
    "/var/spool/cron",
    "/var/spool/cron/crontabs",
)
# Where an administrator puts authorities of his own, which the host then trusts like public ones.
LOCAL_ANCHORS = (
    "/usr/local/share/ca-certificates",
    "/etc/pki/ca-trust/source/anchors",
    "/usr/share/pki/ca-trust-source/anchors",
    "/usr/share/pki/trust/anchors",
)
