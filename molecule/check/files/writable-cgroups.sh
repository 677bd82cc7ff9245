#!/bin/sh
# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# In a container the control groups are mounted read-only: one mount a controller with cgroup v1, one in all with v2.
set -eu
awk '$2 ~ "^/sys/fs/cgroup" && $3 ~ /^cgroup/ && $4 ~ /(^|,)ro(,|$)/ { print $2 }' /proc/mounts \
    | while read -r mount; do mount -o remount,rw,bind "$mount"; done
