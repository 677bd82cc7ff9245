#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Keeps the packages that the roles install, and what they need, in an archive on the host itself, as the rest of Debian would be: the
# hosts of this scenario have no other sources, so that nothing but the one package that is meant to is ever updated on them.
set -eu
. /etc/os-release
archive=/srv/debian
index=$archive/dists/$VERSION_CODENAME/main/binary-$(dpkg --print-architecture)
apt-get update -qq
apt-get install -y -qq --no-install-recommends --download-only auditd needrestart >/dev/null
mkdir -p "$archive/pool" "$index"
mv /var/cache/apt/archives/*.deb "$archive/pool"
for package in "$archive"/pool/*.deb; do
    # A colon in a file's name would be another word to apt.
    name=$archive/pool/$(dpkg-deb --field "$package" Package).deb
    mv "$package" "$name"
    dpkg-deb --field "$name"
    echo "Filename: pool/${name##*/}"
    echo "Size: $(stat -c %s "$name")"
    echo "SHA256: $(sha256sum "$name" | cut -d' ' -f1)"
    echo
done >"$index/Packages"
printf 'Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: %s\nComponents: main\n' "$VERSION_CODENAME" >"$archive/dists/$VERSION_CODENAME/Release"
# The folder of sources is emptied by who offers the security updates; this one is named beside theirs.
echo "deb [trusted=yes] file:$archive $VERSION_CODENAME main" >/srv/debian.list
