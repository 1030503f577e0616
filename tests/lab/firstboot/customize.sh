#!/bin/sh
# Turn a freshly installed system into the lab's base image. Run by mmdebstrap as its last step:
#   customize.sh ROOT FILES PUBLIC_KEY DEBS SOURCE PACKAGES
# FILES: this folder; DEBS: where the .deb files go, those of PACKAGES and what they need among them;
# SOURCE: the hosts' line for apt.
set -e
root=$1 files=$2 public_key=$3 debs=$4 source=$5 packages=$6

# shellcheck disable=SC2086  # a list of words
chroot "$root" apt-get install -q -y --no-install-recommends --download-only $packages
cp "$root"/var/cache/apt/archives/*.deb "$debs"/
rm -f "$root"/var/cache/apt/archives/*.deb

# what must differ from host to host is made at the first boot
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"

login() { # USER HOME OWNER
	mkdir -p "$root$2/.ssh"
	install -m 600 "$public_key" "$root$2/.ssh/authorized_keys"
	chmod 700 "$root$2/.ssh"
	chroot "$root" chown -R "$1:$1" "$2/.ssh"
}
chroot "$root" useradd -m -s /bin/bash -g operator -G sudo operator # Debian has the group, not the user
chroot "$root" useradd -m -s /bin/bash nosudo
printf '%s\n' root:lab-root operator:lab-operator nosudo:lab-nosudo | chroot "$root" chpasswd
login root /root
login operator /home/operator
login nosudo /home/nosudo

# one user manager for good, not one that comes and goes with each login: half of what a login costs
mkdir -p "$root/var/lib/systemd/linger"
touch "$root/var/lib/systemd/linger/root" "$root/var/lib/systemd/linger/operator"

install -m 755 "$files/lab-firstboot" "$root/usr/local/sbin/lab-firstboot"
install -m 644 "$files/lab-firstboot.service" "$root/etc/systemd/system/lab-firstboot.service"
install -m 644 "$files/sshd.conf" "$root/etc/ssh/sshd_config.d/lab.conf"
mkdir -p "$root/etc/systemd/system/chrony.service.d"
install -m 644 "$files/chrony.conf" "$root/etc/systemd/system/chrony.service.d/lab.conf"
chroot "$root" systemctl enable -q lab-firstboot.service ssh.service
# nobody sits at a console; nothing is to start by itself in the middle of a measurement
for unit in console-getty.service getty.target systemd-logind-varlink.socket apt-daily.timer apt-daily-upgrade.timer \
	dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service systemd-timesyncd.service; do
	chroot "$root" systemctl mask -q "$unit"
done

# the machine's way to its archive (a proxy, say) is not the hosts' way
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root"/etc/apt/sources.list.d/*
echo "$source" >"$root/etc/apt/sources.list"
rm -rf "$root"/var/lib/apt/lists/*
