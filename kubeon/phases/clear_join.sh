# What a join of a control plane that was cut off left on its host: the kubelet's configuration, static pods and etcd's
# data, whose member has been taken out of etcd before. Certificates and everything that is installed stay.
systemctl stop kubelet.service
rm -f /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-*.yaml /var/lib/kubeon/joined
for _ in 1 2 3 4 5; do
    pids=$(find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u)
    [ -n "$pids" ] || break
    # shellcheck disable=SC2086 # a list
    kill -KILL $pids 2>/dev/null
    sleep 0.3
done
rm -rf /var/lib/etcd/member
rm -f /var/lib/kubelet/config.yaml /var/lib/kubelet/instance-config.yaml /var/lib/kubelet/kubeadm-flags.env
echo "cleared away a join that was cut off"
