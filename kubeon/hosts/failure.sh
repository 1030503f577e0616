# shellcheck disable=SC2154 # variables and functions come before this text
# Why what runs on this host does not come up, printed in sections; looking.sh comes before it. What others have said
# stands behind "| ", so that nothing in it is taken for a section.
# Variables set before: those of looking.sh, and since (so many seconds ago began what counts).
said() { tail -n "$1" | cut -b 1-1500 | sed 's/^/| /'; } # LINES
journal() { limited journalctl --unit "$1" --since "-${since}s" --lines 2000 --output cat --no-pager; }

deadline=$(($(date +%s) + 12))
section clock
date +%s
look_at_units
look_at_system_pods
section kubelet-log
journal kubelet.service | grep -E '^[EF][0-9]{4} |^Error|"err":' | said 60
section runtime-log
journal containerd.service | grep -E 'level=(error|fatal|panic)|^containerd: ' | said 60
for id in $(limited crictl ps --all --quiet --state exited --label io.kubernetes.pod.namespace=kube-system | head -n 6); do
    section "exited $id"
    limited crictl inspect --output json "$id"
done
# by kubelet's own path, and not by crictl: the runtime may be what does not answer
for manifest in "$root"/etc/kubernetes/manifests/*.yaml; do
    name=${manifest##*/}
    name=${name%.yaml}
    # shellcheck disable=SC2012 # the kubelet makes these names
    ls -t "$root"/var/log/pods/kube-system_"$name"-*/"$name"/*.log | head -n 2 | while read -r log; do
        section "log ${log#"$root"}"
        said 30 <"$log"
    done
done
look_at_disks
section memory
grep -E '^Mem(Total|Available):' "$root/proc/meminfo"
section end
