# shellcheck disable=SC2154 # variables come before this text
# Takes Kubernetes off a host. Variables: units script runtime_units processes mounts interfaces chains installed aside
# paths login_key marker. Safe on a half-installed host and safe to run again: everything is looked at before it is touched.
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

# Deepest first; what is busy is taken out of sight and goes with its last user.
unmount() {
    for _ in 1 2 3; do
        found=$(awk '{ print $2 }' /proc/mounts | grep -E "^($mounts)(/|\$)" | sort -ru)
        [ -n "$found" ] || return 0
        printf '%s\n' "$found" | while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount"; done
    done
}

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
for namespace in /run/netns/cni-*; do
    [ -e "$namespace" ] || continue
    umount "$namespace" 2>/dev/null
    rm -f "$namespace"
done
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
    rm -rf "$path" && say "removed $path"
done
rm -rf ~root/.kube/cache # of kubectl; kubeon called it, and the routes of `bridge`
rmdir ~root/.kube 2>/dev/null
rmdir /opt/cni/bin /opt/cni /etc/cni 2>/dev/null
systemctl daemon-reload
systemctl reset-failed 2>/dev/null

# forget: the last traces, after the host's settings are put back. The mark goes last, so that a run that was cut off is
# taken up again.
forget() {
    find /etc/kubernetes -mindepth 1 -maxdepth 1 ! -path "$marker" -exec rm -rf {} +
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
