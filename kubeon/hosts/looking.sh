# What scripts share that look at how a host is. They read only, and give up soon on whatever does not answer.
# Every program may be missing: its section is then empty, and whoever reads it says so with an empty value.
# Variables set before: root (prefix for tests, else empty), deadline (of `date +%s`, when no more is asked; or empty).
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec 3>&1 2>/dev/null

section() { printf '\n@@kubeon %s\n' "$1"; }
limited() {
    if [ -n "$deadline" ] && [ "$(date +%s)" -ge "$deadline" ]; then return 124; fi
    if command -v timeout >/dev/null; then timeout 3 "$@" </dev/null; else "$@" </dev/null; fi
}

look_at_units() {
    section units
    limited systemctl show --property=Id,LoadState,ActiveState,SubState,Result,ExecMainStatus,NRestarts \
        kubelet.service containerd.service
}

look_at_disks() {
    section disks
    for folder in / /var/lib/etcd /var/lib/containerd /var/lib/kubelet; do
        [ -d "$root$folder" ] || continue
        printf 'space %s %s\n' "$folder" "$(limited df -Pk "$root$folder" | tail -n 1)"
        printf 'inodes %s %s\n' "$folder" "$(limited df -Pi "$root$folder" | tail -n 1)"
    done
}

look_at_system_pods() {
    section static-pods
    ls "$root/etc/kubernetes/manifests"
    section containers
    limited crictl ps --all --label io.kubernetes.pod.namespace=kube-system --output json
}
