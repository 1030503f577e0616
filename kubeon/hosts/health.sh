# How a host is right now, printed in sections. Reads only, and gives up soon on whatever does not answer.
# Every program may be missing: its section is then empty, and health.py says so with an empty value.
# Variables set before: root (prefix for tests, else empty). What only some hosts are asked comes after, by `ask`.
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec 2>/dev/null

section() { printf '\n@@kubeon %s\n' "$1"; }
limited() { if command -v timeout >/dev/null; then timeout 3 "$@" </dev/null; else "$@" </dev/null; fi; }
# a section that a script fills: ask NAME SECONDS, the script on standard input; what it prints, then its exit code
ask() {
    section "ask $1"
    script=$(cat)
    # as an argument: a program in it that reads its standard input must not eat the rest of the script
    timeout "$2" sh -c "$script" </dev/null 2>&1
    printf '\n@@exit %s\n' "$?"
}

# the first reading of the clock, as early as can be; the last one ends the answer
section clock-first
date +%s.%N
section hostname
uname -n
section kernel
uname -r
section os-release
cat "$root/etc/os-release" || cat "$root/usr/lib/os-release"
section uptime
cat "$root/proc/uptime"
section cluster-marker
cat "$root/etc/kubernetes/kubeon-cluster"

section units
limited systemctl show --property=Id,LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts \
    kubelet.service containerd.service
section kubelet-says
# systemctl needs no time to say so, and only then is the journal worth reading
limited systemctl is-active --quiet kubelet.service || limited journalctl -u kubelet -n 3 -o cat --no-pager
section disks
for folder in / /var/lib/etcd /var/lib/containerd /var/lib/kubelet; do
    [ -d "$root$folder" ] || continue
    printf 'space %s %s\n' "$folder" "$(limited df -Pk "$root$folder" | tail -n 1)"
    printf 'inodes %s %s\n' "$folder" "$(limited df -Pi "$root$folder" | tail -n 1)"
done
section static-pods
ls "$root/etc/kubernetes/manifests"
section containers
limited crictl ps --all --label io.kubernetes.pod.namespace=kube-system --output json

section certificates
# keys lie beside certificates in kubelet-client-current.pem and in kubeconfigs: they stay here
for file in "$root"/etc/kubernetes/pki/*.crt "$root"/etc/kubernetes/pki/etcd/*.crt "$root"/etc/kubernetes/*.conf \
    "$root"/var/lib/kubelet/pki/kubelet-client-current.pem "$root"/var/lib/kubelet/pki/kubelet-server-current.pem \
    "$root"/var/lib/kubelet/pki/kubelet.crt; do
    [ -f "$file" ] || continue
    # a file may end without a newline
    printf '\nfile %s\n' "${file#"$root"}"
    case $file in
    *.conf) sed -n 's/^ *client-certificate-data: *//p' "$file" | base64 -d ;;
    *) sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$file" ;;
    esac
done
