# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
# The words that faults are written in.
set -eu
operator=deploy
keys=/home/deploy/.ssh/authorized_keys

put() {  # $1: path; its text on stdin
    mkdir -p "$(dirname "$1")"
    cat >"$1"
}

# A packet filter that the host's own tools do not see: it takes the packets at the interface.
outside_drops() {  # $1: what, in nft's words, such as: tcp dport 2222
    nft add table netdev outside
    nft 'add chain netdev outside in { type filter hook ingress device "eth0" priority -500; }'
    nft "add rule netdev outside in $1 drop"
}
outside_lets_in() { nft delete table netdev outside 2>/dev/null || true; }

# A filter of somebody else, beside ufw's.
foreign_drops() {  # $1: what, in nft's words
    nft add table inet foreign
    nft 'add chain inet foreign in { type filter hook input priority -10; }'
    nft "add rule inet foreign in $1 drop"
}
foreign_lets_in() { nft delete table inet foreign 2>/dev/null || true; }

# A disk of its own, with almost no room; what was there before is there again.
tiny_disk() {  # $1: folder, $2: size
    mkdir -p "$1"
    mount -t tmpfs -o "size=$2,mode=0700" tmpfs "$1"
}
fill() {  # $1: folder
    dd if=/dev/zero of="$1/filler" bs=4096 2>/dev/null || true
}

socket_activated() {  # ssh by systemd's socket, as Ubuntu has it
    systemctl disable --now ssh.service 2>/dev/null
    systemctl enable --now ssh.socket 2>/dev/null
}

wait_for() {  # $1: seconds, the rest: a command
    tenths=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || { echo "not in time: $*" >&2; return 1; }
        sleep 0.1
    done
}

# For what has to happen at one moment of the run. Taking the token away ends the waiting.
watch_for() {  # $1: token, $2: condition
    : >"$1"
    while [ -e "$1" ]; do
        if sh -c "$2" >/dev/null 2>&1; then rm -f "$1"; return 0; fi
        sleep 0.03
    done
    exit 77
}

# The folder as it is, on a disk of its own with almost no room.
tiny_disk_over() {  # $1: folder, $2: size
    cp -a "$1" /root/before-the-disk
    mount -t tmpfs -o "size=$2,mode=$(stat -c %a "$1")" tmpfs "$1"
    cp -a /root/before-the-disk/. "$1/"
    rm -rf /root/before-the-disk
}

operators_address() { ip -json route show default | sed 's/.*"gateway":"\([^"]*\)".*/\1/'; }

banned_for() {  # $1: seconds, $2: after how many failures; starts fail2ban with such bans
    put /etc/fail2ban/jail.d/lockout.local <<END
[sshd]
enabled = true
mode = aggressive
backend = systemd
bantime = $1
maxretry = ${2:-5}
banaction = nftables[type=allports]
END
    systemctl stop fail2ban.service
    # It remembers the bans of earlier faults, and counts what the journal knows of them.
    rm -f /var/lib/fail2ban/fail2ban.sqlite3
    journalctl --quiet --rotate
    journalctl --quiet --vacuum-time=1s
    systemctl start fail2ban.service
    wait_for 20 fail2ban-client status sshd
}
banned() { fail2ban-client set sshd banip "$1"; }
