# Facts of a host, printed in sections. Reads only: nothing on the host is created or changed, no temporary file either.
# Every program may be missing: its section is then empty or absent, and gather.py says so with an empty value.
# Variables set before: root (prefix for tests, else empty), ask_commands, ask_packages, ask_modules, ask_sysctls.
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null

section() { printf '\n@@kubeon %s\n' "$1"; }
# a resolver or a bus that does not answer must not hold up everything
limited() { if command -v timeout >/dev/null; then timeout 5 "$@" </dev/null; else "$@" </dev/null; fi; }

section hostname
uname -n
section machine-id
cat "$root/etc/machine-id"
section product-uuid
cat "$root/sys/class/dmi/id/product_uuid"
section boot-id
cat "$root/proc/sys/kernel/random/boot_id"
section os-release
cat "$root/etc/os-release" || cat "$root/usr/lib/os-release"
section kernel
uname -r
section machine
uname -m
section init
cat "$root/proc/1/comm"
[ -d "$root/run/systemd/system" ] && echo booted-with-systemd
section container
systemd-detect-virt -c || { tr '\0' '\n' <"$root/proc/1/environ" | sed -n 's/^container=//p'; }

section cgroup
stat -fc %T "$root/sys/fs/cgroup"
sed -n 's/^cgroup.* \([^ ]*cgroup[^ ]*\) cgroup\(2\{0,1\}\) .*/mount \1 \2/p' "$root/proc/mounts"
section cgroup-controllers
if [ -r "$root/sys/fs/cgroup/cgroup.controllers" ]; then
    cat "$root/sys/fs/cgroup/cgroup.controllers"
else
    while read -r controller _ _ enabled; do
        if [ "$enabled" = 1 ]; then printf '%s\n' "$controller"; fi
    done <"$root/proc/cgroups"
fi
section cpus
nproc || getconf _NPROCESSORS_ONLN || grep -c ^processor "$root/proc/cpuinfo"
section memory
grep '^MemTotal' "$root/proc/meminfo"
section disk
for folder in / /var /var/lib /usr; do
    free=$(df -Pk "$root$folder" | tail -n 1)
    printf '%s %s\n' "$folder" "$free"
done
section eviction
# what the kubelet and the runtime fill, which need not be there yet
for folder in /var/lib/kubelet /var/lib/containerd; do
    there=$root$folder
    while [ ! -d "$there" ] && [ "$there" != "$root" ]; do there=${there%/*}; done
    printf '%s %s %s\n' "$folder" "$(df -Pk "${there:-/}" | tail -n 1 | awk '{ print $2, $4 }')" \
        "$(df -Pi "${there:-/}" | tail -n 1 | awk '{ print $2, $4 }')"
done
section swap
cat "$root/proc/swaps"

section addresses
ip -o -4 addr show || {
    # without iproute: the kernel's own table of local addresses, which names no interfaces
    sed -n '/|-- /{h;};/host LOCAL/{x;s/.*|-- \(.*\)/0: ?    inet \1\/32/p;}' "$root/proc/net/fib_trie" | sort -u
}
section routes
ip -4 route show
section listening
ss -ltnp || {
    # without iproute: local ports in hexadecimal, state 0A is LISTEN
    for table in tcp tcp6; do
        sed -n 's/^ *[0-9]*: [0-9A-F]*:\([0-9A-F]*\) [0-9A-F:]* 0A .*/hex \1/p' "$root/proc/net/$table"
    done
}
section resolves-itself
if command -v getent >/dev/null; then
    if limited getent hosts "$(uname -n)" >/dev/null; then echo yes; else echo no; fi
fi
section cloud-init-hosts
grep -hs '^ *manage_etc_hosts: *[Tt]' "$root/etc/cloud/cloud.cfg" "$root"/etc/cloud/cloud.cfg.d/*.cfg

section commands
for name in $ask_commands; do command -v "$name" >/dev/null && printf '%s\n' "$name"; done
section packages
# shellcheck disable=SC2086 # a list of words
if [ -z "$ask_packages" ]; then
    :
elif [ -s "$root/var/lib/dpkg/status" ]; then
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' $ask_packages | sed -n 's/^installed //p'
elif command -v rpm >/dev/null; then
    rpm -q --qf '%{NAME}\n' $ask_packages | grep -v ' '
fi
section modules
for module in $ask_modules; do
    if [ -e "$root/sys/module/$module" ] || limited modprobe -nq "$module"; then printf '%s\n' "$module"; fi
done
# built into the kernel, seen by what they bring (a container sees no /lib/modules)
grep -q 'overlay$' "$root/proc/filesystems" && echo overlay
[ -e "$root/proc/sys/net/bridge/bridge-nf-call-iptables" ] && echo br_netfilter
[ -e "$root/proc/sys/net/netfilter/nf_conntrack_max" ] && echo nf_conntrack
[ -e "$root/proc/net/ip_vs" ] && echo ip_vs
section sysctls
for key in $ask_sysctls; do
    # only these contain dots inside a component: none of ours
    file=$root/proc/sys/$(printf '%s' "$key" | tr . /)
    if [ -r "$file" ]; then printf '%s = %s\n' "$key" "$(cat "$file")"; fi
done
section conntrack
limit=$root/proc/sys/net/netfilter/nf_conntrack_max
[ -r "$limit" ] && cat "$limit" && [ -w "$limit" ] && echo writable
section restricted-oom
# in a subshell: it alone is less likely to be killed, for as long as it lives
(score=$(cat "$root/proc/self/oom_score_adj") && [ "$score" -gt -1000 ] &&
    { sh -c 'echo "$1" >"$2/proc/self/oom_score_adj"' sh $((score - 1)) "$root" || echo yes; })

section selinux
getenforce || {
    [ -e "$root/sys/fs/selinux/enforce" ] && sed 's/1/Enforcing/;s/0/Permissive/' "$root/sys/fs/selinux/enforce"
}
section units
limited systemctl list-units --type=service --state=active,activating,reloading --no-legend --plain --no-pager \
    --full
section unit-files
# by name: systemd spends up to a second to say the state of every unit there is
limited systemctl list-unit-files --no-legend --no-pager --full chrony.service chronyd.service ntp.service ntpd.service \
    ntpsec.service openntpd.service systemd-timesyncd.service firewalld.service ufw.service
section ufw
grep '^ENABLED=yes' "$root/etc/ufw/ufw.conf"
section time-synchronised
limited timedatectl show -p NTPSynchronized || limited timedatectl status | grep -i 'synchronized:'
section containerd-unit
limited systemctl show -p FragmentPath containerd.service
section containers
cat "$root"/proc/[0-9]*/comm | grep -c '^containerd-shim'

section cluster-marker
cat "$root/etc/kubernetes/kubeon-cluster"
section ca
cat "$root/etc/kubernetes/pki/ca.crt"
section kubelet-config
[ -e "$root/var/lib/kubelet/config.yaml" ] && echo yes
section kubelet-kubeconfig
if [ -e "$root/etc/kubernetes/kubelet.conf" ]; then
    echo yes
    grep '^ *server:' "$root/etc/kubernetes/kubelet.conf"
fi
section static-pods
ls "$root/etc/kubernetes/manifests"
section etcd-data
[ -d "$root/var/lib/etcd/member" ] && echo yes
section cni
ls "$root/etc/cni/net.d"
section bridge-configuration
cat "$root/etc/cni/net.d/10-kubeon-bridge.conflist"
section client-certificate
certificate=$root/var/lib/kubelet/pki/kubelet-client-current.pem
if [ -e "$certificate" ]; then
    echo yes
    openssl x509 -noout -enddate -in "$certificate" </dev/null
fi
section hosts-block
sed -n '/^# BEGIN kubeon /,/^# END kubeon /p' "$root/etc/hosts"
section configuration
(cd "$root/etc" && ls -d -- kubernetes/*/* systemd/system/*.service)
section records
if cd "$root/var/lib/kubeon"; then ls -d -- * found/*; fi
# the clock comes last, so that it is as old as the answer's way back
section clock
date +%s.%N
section end
exit 0
