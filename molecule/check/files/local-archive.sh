#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# Replaces the host's package sources by an archive of its own that holds one security update for one installed package.
set -eu
. /etc/os-release
archive=/srv/debian-security
suite=$VERSION_CODENAME-security
architecture=$(dpkg --print-architecture)
index=main/binary-$architecture
package=nself-prod-test-package
work=$(mktemp -d)
mkdir -p "$archive/pool" "$archive/dists/$suite/$index"
for version in 1.0 1.1; do
    mkdir -p "$work/$version/DEBIAN"
    cat >"$work/$version/DEBIAN/control" <<CONTROL
Package: $package
Version: $version
Architecture: all
Maintainer: nobody <nobody@invalid>
Description: an empty package with a security update
CONTROL
    dpkg-deb --build --root-owner-group "$work/$version" "$work/$version.deb" >/dev/null
done
dpkg -i "$work/1.0.deb" >/dev/null
cp "$work/1.1.deb" "$archive/pool"
cd "$archive/dists/$suite"
{
    dpkg-deb --field "$archive/pool/1.1.deb"
    echo "Filename: pool/1.1.deb"
    echo "Size: $(stat -c %s "$archive/pool/1.1.deb")"
    echo "SHA256: $(sha256sum "$archive/pool/1.1.deb" | cut -d' ' -f1)"
} >"$index/Packages"
cat >Release <<RELEASE
Origin: Debian
Label: Debian-Security
Suite: stable-security
Codename: $suite
Date: $(date -u '+%a, %d %b %Y %H:%M:%S UTC')
Architectures: $architecture
Components: main
SHA256:
 $(sha256sum "$index/Packages" | cut -d' ' -f1) $(stat -c %s "$index/Packages") $index/Packages
RELEASE
rm -rf "$work"
rm -f /etc/apt/sources.list.d/*
echo "deb [trusted=yes] file:$archive $suite main" >/etc/apt/sources.list
apt-get update -qq
