#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# testbed.sh boot: what a container lacks at each boot and a server does not. testbed.sh rules FOLDER: write down all rules there.
set -eu
case $1 in
boot)
    mount -o remount,rw /proc/sys
    sysctl -q -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.eth0.disable_ipv6=0
    awk '$2 ~ "^/sys/fs/cgroup" && $3 ~ /^cgroup/ && $4 ~ /(^|,)ro(,|$)/ { print $2 }' /proc/mounts \
        | while read -r mount; do mount -o remount,rw,bind "$mount" || true; done
    ;;
rules)
    mkdir -p "$2"
    # Without the comments, which hold the time, and the counters of packets.
    for tool in iptables ip6tables; do $tool-save | sed '/^#/d; s/ \[[0-9]*:[0-9]*]$//' >"$2/$tool"; done
    ufw status verbose >"$2/ufw"
    nft -s list ruleset 2>/dev/null >"$2/nft"
    ;;
esac
