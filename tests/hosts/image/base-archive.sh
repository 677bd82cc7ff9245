#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Keeps the packages that the roles install, and what they need, in an archive on the host itself, as the rest of Debian would be. Run while
# the image is built: a test host has no way to Debian's archive, and nothing but the one package that is meant to is ever updated on it.
set -eu
. /etc/os-release
archive=/srv/debian
index=$archive/dists/$VERSION_CODENAME/main/binary-$(dpkg --print-architecture)
# Only these: what the image itself was made of is there already.
apt-get clean
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
sum=$(sha256sum "$index/Packages" | cut -d' ' -f1)
cd "$archive/dists/$VERSION_CODENAME"
{
    printf 'Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: %s\nComponents: main\n' "$VERSION_CODENAME"
    printf 'Date: %s\nSHA256:\n %s %s %s\n' "$(date -u '+%a, %d %b %Y %H:%M:%S UTC')" "$sum" "$(stat -c %s "$index/Packages")" \
        "main/${index##*/}/Packages"
} >Release
# Who wants it copies this into /etc/apt/sources.list.d.
echo "deb [trusted=yes] file:$archive $VERSION_CODENAME main" >/srv/debian.list
