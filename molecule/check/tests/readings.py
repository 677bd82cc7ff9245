# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each check is about, read in another way: True is the state that the check wants."""

from __future__ import annotations

import re

import lab as labs

FRESH, PLAIN, DOCKER = "fresh12", "hardened12", "hardened13"
EVERYWHERE = (FRESH, PLAIN, DOCKER)
PUBLIC = {22, 80, 443}
READINGS = {}


def reading(check, on=EVERYWHERE, good=(PLAIN, DOCKER)):
    """Register a reading. on: hosts that have what the check is about; good: hosts that were made to satisfy it."""

    def register(read):
        for host in on:
            READINGS[check, host] = (read, host in good)
        return read

    return register


# -- sshd, by logging in ------------------------------------------------------------------------------------------------------------


@reading("INFRA-05")
def passwords_are_refused(host):
    return not host.lets_in("deploy", "PreferredAuthentications=password", key=False, password=True)


@reading("INFRA-06", good=EVERYWHERE)
def keys_are_accepted(host):
    return host.lets_in("deploy", "PreferredAuthentications=publickey")


@reading("INFRA-07")
def root_is_refused(host):
    return not host.lets_in("root") and not host.lets_in(
        "root", "PreferredAuthentications=password", key=False, password=True
    )


@reading("INFRA-08")
def keyboard_interactive_is_refused(host):
    return not host.lets_in("deploy", "PreferredAuthentications=keyboard-interactive", key=False, password=True)


@reading("INFRA-09")
def an_unlisted_user_is_refused(host):
    return not host.lets_in("visitor")


@reading("INFRA-10")
def the_connection_ends_after_three_wrong_keys(host):
    keys = [labs.EPHEMERAL / ("wrong-%d" % number) for number in range(4)]
    for key in keys:
        if not key.exists():
            labs.subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    options = ["IdentitiesOnly=yes", "BatchMode=yes", *("IdentityFile=%s" % key for key in keys)]
    return "Too many authentication failures" in host.ssh("deploy", *options, key=False).stderr


@reading("INFRA-12")
def forwarding_is_refused(host):
    # Through the host to its own sshd: the answer is the banner of a second connection, or a refusal.
    return "SSH-2.0" not in host.ssh("deploy", forward="127.0.0.1:22").stdout


@reading("INFRA-14")
def sha1_macs_are_refused(host):
    return not host.lets_in("deploy", "MACs=hmac-sha1", "Ciphers=aes256-ctr")


# -- firewall and ports -------------------------------------------------------------------------------------------------------------


def ufw(host):
    return host.sh("ufw status verbose")


@reading("INFRA-01")
def ufw_denies_by_default(host):
    return "Status: active" in ufw(host) and "deny (incoming)" in ufw(host) and host.inside.service("ufw").is_enabled


@reading("INFRA-02")
def ufw_opens_only_public_ports(host):
    opened = {int(port) for port in re.findall(r"^(\d+)/tcp\b.*ALLOW IN", ufw(host), re.M)}
    return bool(opened) and opened <= PUBLIC and host.answers_on(22)


@reading("NET-25")
def only_public_ports_listen(host):
    return host.listening <= PUBLIC


@reading("INFRA-27")
def telnet_does_not_answer(host):
    return not host.answers_on(23)


@reading("INFRA-17")
def fail2ban_guards_sshd(host):
    if "Currently banned" not in host.sh("fail2ban-client status sshd"):
        return False
    retries, seconds = (int(host.sh("fail2ban-client get sshd %s" % name)) for name in ("maxretry", "bantime"))
    return retries <= 3 and seconds >= 3600


@reading("INFRA-18", good=())
def fail2ban_guards_nginx(host):
    return "nginx" in host.sh("fail2ban-client status")


@reading("NET-26")
def nothing_else_answers_from_outside(host):
    return not any(host.answers_on(port) for port in (23, 5432, 6379, 8080, 9000, 9090))


# -- system -------------------------------------------------------------------------------------------------------------------------


@reading("INFRA-19")
def updates_install_themselves(host):
    periodic = host.sh("apt-config dump APT::Periodic")
    timers = all(host.inside.service(name).is_enabled for name in ("apt-daily.timer", "apt-daily-upgrade.timer"))
    ran = host.sh(
        "find /var/lib/apt/periodic/unattended-upgrades-stamp /var/lib/apt/periodic/upgrade-stamp -mtime -7 2>/dev/null"
    ).strip()
    return 'Unattended-Upgrade "1"' in periodic and timers and bool(ran)


@reading("INFRA-20")
def no_security_update_waits(host):
    return "Debian-Security" not in host.sh("apt-get --simulate dist-upgrade")


@reading("INFRA-25")
def the_kernel_ignores_redirects(host):
    wanted = {
        "accept_redirects": "0",
        "accept_source_route": "0",
        "send_redirects": "0",
        "rp_filter": "1",
        "log_martians": "1",
    }
    return all(host.sysctl("net.ipv4.conf.all.%s" % name) == value for name, value in wanted.items())


@reading("INFRA-28")
def one_account_is_root(host):
    return host.sh("awk -F: '$3 == 0 { print $1 }' /etc/passwd").split() == ["root"]


# -- files --------------------------------------------------------------------------------------------------------------------------


@reading("DATA-29")
def env_files_are_private(host):
    modes = host.sh("stat -c %%a %s/.env*" % labs.DEPLOYMENT).split()
    return bool(modes) and all(mode == "600" for mode in modes)


@reading("DATA-20")
def a_backup_is_of_today(host):
    return host.sh("find %s/backups -type f -size +1k -mtime -1" % labs.DEPLOYMENT).strip() != ""


@reading("DATA-21", on=(PLAIN, DOCKER))
def the_backups_open_with_the_key_only(host):
    plain = host.sh(
        "for file in %s/backups/*; do openssl enc -d -aes-256-cbc -pbkdf2 -pass file:/root/backup.key -in $file | wc -c; done"
        % labs.DEPLOYMENT
    )
    return set(plain.split()) == {"65536"}


@reading("DATA-22", on=(PLAIN, DOCKER))
def the_backups_are_private(host):
    return (
        host.sh("find %s/backups -perm /077" % labs.DEPLOYMENT) == ""
        and host.inside.file(labs.DEPLOYMENT + "/backups").is_directory
    )


@reading("DATA-30")
def no_secret_stands_on_a_command_line(host):
    return "--password=" not in host.sh("ps -eo args")


# -- the deployment: docker inspect where it runs, else the compose file -----------------------------------------------------------


def every_container(inspect, compose):
    """A reading of all services: inspect takes docker inspect's record, compose the service in the compose file."""

    def read(host):
        if host.containers is not None:
            return all(inspect(item) for item in host.containers.values())
        return all(compose(service) for service in host.compose.values())

    return read


def is_not_root(user):
    return str(user or "0").split(":")[0] not in ("0", "root")


def limits_in(service):
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    return all(
        limits.get(one) or service.get(other)
        for one, other in (("memory", "mem_limit"), ("cpus", "cpus"), ("pids", "pids_limit"))
    )


DANGEROUS = ("/var/run/docker.sock", "/run/docker.sock", "/etc", "/proc", "/sys", "/root", "/dev", "/:")
READ_ALL = {
    "INFRA-31": every_container(
        lambda item: is_not_root(item["Config"]["User"]), lambda service: is_not_root(service.get("user"))
    ),
    "INFRA-32": every_container(
        lambda item: (
            not item["HostConfig"]["Privileged"]
            and item["HostConfig"]["PidMode"] != "host"
            and item["HostConfig"]["NetworkMode"] != "host"
        ),
        lambda service: (
            not service.get("privileged") and service.get("pid") != "host" and service.get("network_mode") != "host"
        ),
    ),
    "INFRA-33": every_container(
        lambda item: item["HostConfig"]["CapDrop"] == ["ALL"], lambda service: service.get("cap_drop") == ["ALL"]
    ),
    "INFRA-34": every_container(
        lambda item: any("no-new-privileges" in option for option in item["HostConfig"]["SecurityOpt"] or ()),
        lambda service: any("no-new-privileges" in option for option in service.get("security_opt", ())),
    ),
    "INFRA-35": every_container(
        lambda item: item["HostConfig"]["ReadonlyRootfs"], lambda service: service.get("read_only") is True
    ),
    "INFRA-36": every_container(
        lambda item: all(item["HostConfig"][name] for name in ("Memory", "NanoCpus", "PidsLimit")),
        lambda service: limits_in(service),
    ),
    "INFRA-37": every_container(
        lambda item: not any(mount["Source"].startswith(DANGEROUS) for mount in item["Mounts"]),
        lambda service: not any(str(volume).startswith(DANGEROUS) for volume in service.get("volumes", ())),
    ),
}
for _check, _read in READ_ALL.items():
    reading(_check)(_read)


@reading("INFRA-38", good=())
def every_image_is_pinned(host):
    return all("@sha256:" in service["image"] for service in host.compose.values() if "image" in service)


@reading("INFRA-39", on=(DOCKER,))
def every_service_runs_and_stays_up(host):
    states = [item["State"] for item in host.containers.values()]
    return set(host.containers) == set(host.compose) and all(
        state["Running"] and not state["Restarting"] for state in states
    )


@reading("INFRA-29", on=(DOCKER,))
def the_engine_is_reached_by_root_only(host):
    socket = host.sh("stat -c '%a %U %G' /run/docker.sock").strip()
    return (
        socket == "660 root docker"
        and not host.sh("getent group docker").strip().split(":")[3]
        and not {2375, 2376} & host.listening
    )


@reading("INFRA-30", on=(DOCKER,))
def the_engine_keeps_containers_and_bounds_logs(host):
    return host.sh("docker info --format '{{.LiveRestoreEnabled}}'").strip() == "true" and "max-size" in host.sh(
        "cat /etc/docker/daemon.json"
    )


# Where an engine runs, Hasura and the public names would be asked as well, and the stand-ins there answer nothing: the scenario
# stack has services that do.
NOT_ASKED = (FRESH, PLAIN)


@reading("AUTH-01", on=NOT_ASKED)
def hasura_has_no_console(host):
    return host.environment("hasura").get("HASURA_GRAPHQL_ENABLE_CONSOLE") != "true"


@reading("AUTH-08", on=NOT_ASKED)
def no_admin_panel(host):
    services = host.containers if host.containers is not None else host.compose
    return "nself-admin" not in services


@reading("AUTH-10")
def no_mail_catcher(host):
    services = host.containers if host.containers is not None else host.compose
    return "mailpit" not in services and "mailpit" not in host.environment("auth").get("AUTH_SMTP_HOST", "")


@reading("AUTH-16", good=EVERYWHERE)
def access_tokens_last_a_quarter_of_an_hour(host):
    return int(host.environment("auth")["AUTH_ACCESS_TOKEN_EXPIRES_IN"]) <= 900


@reading("AUTH-17")
def refresh_tokens_last_a_week(host):
    return int(host.environment("auth")["AUTH_REFRESH_TOKEN_EXPIRES_IN"]) <= 604800


@reading("AUTH-19")
def passwords_are_long(host):
    return int(host.environment("auth").get("AUTH_PASSWORD_MIN_LENGTH", 3)) >= 12


@reading("AUTH-28")
def addresses_are_verified(host):
    return host.environment("auth").get("AUTH_EMAIL_SIGNIN_EMAIL_VERIFIED_REQUIRED") == "true"
