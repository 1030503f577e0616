# shellcheck disable=SC2154 # variables come before this text
# Takes Kubernetes off a host. Variables: units script runtime_units processes mounts interfaces chains installed aside
# paths login_key marker stays. Safe on a half-installed host and safe to run again: everything is looked at before it
# is touched.
say() { printf '%s\n' "$*"; }

# What runs in pods is found by cgroup, so that nothing depends on a runtime that answers.
kill_pods() {
    for _ in 1 2 3 4 5; do
        pids=$(find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
        [ -n "$pids" ] || return 0
        # shellcheck disable=SC2086 # a list
        kill -KILL $pids 2>/dev/null
        sleep 0.3
    done
}

stop_unit() { # UNIT
    # also one that a package brought, as on an adopted node
    [ "$(systemctl show -p LoadState "$1" 2>/dev/null)" = LoadState=loaded ] || return 0
    systemctl disable --quiet --now "$1" 2>/dev/null && say "stopped $1"
}

# second_field FILE: the mount points that /proc/mounts or fstab names, with blanks as they are
second_field() {
    awk '!/^[[:space:]]*#/ { $0 = $2; gsub(/\\040/, " "); gsub(/\\011/, "\t"); gsub(/\\134/, "\\\\"); print }' "$1" 2>/dev/null
}

# mounted PATHS: mount points at or below these (an extended regular expression), deepest first
mounted() {
    second_field /proc/mounts | grep -E "^($1)(/|\$)" | sort -ru
}

# of_owner MOUNT: no pod and no runtime has mounted it. What they mount lies below `mounts` and stands in no fstab.
of_owner() {
    printf '%s\n' "$1" | grep -qE "^($mounts)/" || return 0
    second_field /etc/fstab | grep -qxF -- "$1"
}

# Deepest first; what is busy is taken out of sight and goes with its last user.
unmount() {
    for _ in 1 2 3; do
        mounted "$mounts" | while read -r mount; do
            of_owner "$mount" || umount "$mount" 2>/dev/null || umount -l "$mount"
        done
    done
    for namespace in /run/netns/cni-*; do
        [ -e "$namespace" ] || continue
        umount "$namespace" 2>/dev/null
        rm -f "$namespace"
    done
}

# What Kubernetes and the runtime put into folders that may be mount points: patterns for a file system of the owner's.
contents() {
    case $1 in
    /var/lib/etcd) echo member ;;
    /var/lib/containerd) echo 'io.containerd.* tmpmounts' ;;
    /var/lib/kubelet)
        echo 'actuated_pods_state allocated_pods_state checkpoints config.yaml cpu_manager_state device-plugins' \
            'dra_manager_state instance-config.yaml kubeadm-flags.env memory_manager_state pki plugins plugins_registry' \
            'pod-resources pods pod_status_manager_state'
        ;;
    /var/lib/kubelet/pods) echo '[0-9a-f]*' ;;
    /var/lib/cni) echo 'networks results cache' ;;
    /var/log/pods) echo '*_*_*' ;;
    /var/log/containers) echo '*.log' ;;
    esac
}

# remove PATH: with all that is in it. A file system of the owner's, there or below, stays where it is, and so does what
# others have put into it; both are named. No file system but that of PATH is ever emptied with it.
remove() (
    [ -e "$1" ] || [ -L "$1" ] || return 0
    # shellcheck disable=SC2016 # sed's own
    pattern=$(printf '%s' "$1" | sed 's/[].[*^$()+?{|\\]/\\&/g')
    theirs=$(mounted "$pattern")
    if [ -z "$theirs" ]; then
        rm -rf --one-file-system "$1"
    elif printf '%s\n' "$theirs" | grep -qxF -- "$1"; then
        set -f
        # shellcheck disable=SC2046 # patterns
        set -- "$1" $(contents "$1")
        set +f
        folder=$1
        shift
        for pattern; do
            for entry in "$folder"/$pattern; do remove "$entry"; done
        done
        others=$(find "$folder" -mindepth 1 -maxdepth 1 ! -name lost+found | sed 's:.*/::' | tr '\n' ' ')
        say "$stays$folder stays: a file system that was there before${others:+, with what others put into it: $others}"
    else
        for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do remove "$entry"; done
        rmdir "$1" 2>/dev/null
    fi
)

# Rules of others stay as they are; a table that is empty now goes too, where iptables keeps its rules in nftables.
drop_rules() { # TOOL FAMILY
    command -v "$1-save" >/dev/null || return 0
    rules=$("$1-save" 2>/dev/null)
    printf '%s\n' "$rules" | grep -qE -- "$chains" || return 0
    printf '%s\n' "$rules" | grep -vE -- "$chains" | "$1-restore" && say "removed the rules of Kubernetes from $1"
    command -v nft >/dev/null || return 0 # the tables' empty chains stay, which iptables cannot remove
    for table in filter nat mangle; do
        if "$1" -t "$table" -S | grep -qvE '^-P [A-Z]+ ACCEPT$'; then continue; fi
        nft delete table "$2" "$table" 2>/dev/null
    done
}

stop_unit kubelet.service
for unit in $units; do stop_unit "$unit"; done
# The host's ends of pods' interfaces: they would go with the pods' namespaces, for which a busy kernel takes its time.
for interface in $interfaces; do
    # shellcheck disable=SC2231 # may be a pattern
    for port in /sys/class/net/$interface/brif/veth*; do
        [ -e "$port" ] && ip link delete "${port##*/}"
    done
done
eval "$script"
kill_pods
for unit in $runtime_units; do stop_unit "$unit"; done
for program in $processes; do
    for pid in $(pgrep -f "^[^ ]*/$program "); do kill -KILL "$pid" 2>/dev/null; done
done
systemctl stop kubepods.slice 2>/dev/null
unmount
for interface in $interfaces; do
    for path in /sys/class/net/$interface; do
        [ -e "$path" ] && ip link delete "${path##*/}" && say "removed interface ${path##*/}"
    done
done
drop_rules iptables ip
drop_rules ip6tables ip6
drop_rules iptables-legacy -
drop_rules ip6tables-legacy -
if command -v ipvsadm >/dev/null && [ -n "$(ipvsadm -Sn 2>/dev/null)" ]; then ipvsadm --clear; fi

if [ -e "$installed" ]; then
    while read -r path; do
        if [ -e "$aside$path" ]; then
            # a copy, so that a run that is cut anywhere here still knows what is not ours; the original goes at the end
            cp -p "$aside$path" "$path.kubeon-new" && mv -f "$path.kubeon-new" "$path" && say "put back $path"
        else
            rm -f "$path"
        fi
        rm -f "$path.kubeon-new"
    done <"$installed"
    rm -f "$installed"
    say "removed the binaries"
fi
for path in $paths; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    remove "$path"
    [ -e "$path" ] || [ -L "$path" ] || say "removed $path"
done
rm -rf ~root/.kube/cache # of kubectl; kubeon called it, and the routes of `bridge`
rmdir ~root/.kube 2>/dev/null
rmdir /opt/cni/bin /opt/cni /etc/cni 2>/dev/null
systemctl daemon-reload
systemctl reset-failed 2>/dev/null

# forget: the last traces, after the host's settings are put back. The mark goes last, so that a run that was cut off is
# taken up again.
forget() {
    find /etc/kubernetes -mindepth 1 -maxdepth 1 ! -path "$marker" -exec rm -rf --one-file-system {} +
    file=$(getent passwd "${SUDO_USER:-$(id -un)}" | cut -d: -f6)/.ssh/authorized_keys
    if [ -n "$login_key" ] && grep -qxF "$login_key" "$file" 2>/dev/null; then
        # never written in place: half a file would lock the user out; cp keeps owner and mode
        cp -p "$file" "$file.kubeon-new"
        grep -vxF "$login_key" "$file" >"$file.kubeon-new"
        mv -f "$file.kubeon-new" "$file" && say "removed the cluster's key"
    fi
    rm -rf "$aside"
    rm -f "$marker" /run/kubeon-busy
    rmdir /etc/kubernetes 2>/dev/null
    say "the host is as it was found"
}
