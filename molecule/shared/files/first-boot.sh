# The users of a test host: deploy (sudo without a password, as a rented server's first user has it) and visitor, who may only log in.
set -eu
# At first there is not even a bus to ask.
for _ in $(seq 120); do
    case $(systemctl is-system-running 2>/dev/null) in running | degraded) break ;; esac
    sleep 0.5
done
# A container's /proc/sys is read-only; a server's is not.
mount -o remount,rw /proc/sys
for user in deploy visitor; do
    id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
    echo "$user:$password" | chpasswd
    install -d -m 0700 -o "$user" -g "$user" "/home/$user/.ssh"
    echo "$key" >"/home/$user/.ssh/authorized_keys"
    chown "$user:$user" "/home/$user/.ssh/authorized_keys"
    chmod 0600 "/home/$user/.ssh/authorized_keys"
done
echo 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
chmod 0440 /etc/sudoers.d/deploy
cat /etc/ssh/ssh_host_*_key.pub
