#!/bin/sh
# Bare kubeadm, as a person who knows it well runs it by hand on hosts that have everything already:
#
#   bare.sh CONTROL_PLANE WORKER...       (addresses)
#
# BENCH_SSH is the ssh command with its options, BENCH_NETWORK the network plug-in's manifest, BENCH_VERSION the release,
# BENCH_API kubeadm's configuration API, BENCH_KUBELET more settings of kubelets, BENCH_IGNORE preflight checks.
# The controller manager gives nodes their pod ranges, as kubeadm has it: a kubelet calls itself Ready as soon as it has
# one, else ten seconds later. (So workers may get each other's; nothing here sends a packet.) Certificates are kubeadm's
# own, of one year; nothing is verified at the end. Each line is printed when its step is over.
set -eu

cp=$1
shift
nodes=$(($# + 1))
log=$(mktemp)
trap 'rm -f "$log"' EXIT

on() { # ADDRESS COMMAND
    address=$1
    shift
    # shellcheck disable=SC2086,SC2029 # words of a command line
    $BENCH_SSH "root@$address" "$@"
}
k() { on "$cp" kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }

driver=$(on "$cp" "grep -q 'SystemdCgroup = true' /etc/containerd/config.toml && echo systemd || echo cgroupfs")
echo "logged in"
on "$cp" 'cat >/root/kubeadm.yaml' <<EOF
apiVersion: kubeadm.k8s.io/$BENCH_API
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
localAPIEndpoint:
  advertiseAddress: $cp
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
---
apiVersion: kubeadm.k8s.io/$BENCH_API
kind: ClusterConfiguration
kubernetesVersion: $BENCH_VERSION
controlPlaneEndpoint: $cp:6443
networking:
  podSubnet: 10.244.0.0/16
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: $driver
$BENCH_KUBELET
EOF
on "$cp" "kubeadm init --config /root/kubeadm.yaml --ignore-preflight-errors=$BENCH_IGNORE 2>&1" >"$log" || { cat "$log" >&2; exit 1; }
hash=$(grep -o 'sha256:[0-9a-f]*' "$log" | tail -n 1)
echo "kubeadm init"
k apply -f - <"$BENCH_NETWORK" >/dev/null
echo "network applied"
until k -n kube-public get configmap cluster-info -o yaml | grep -q jws-kubeconfig; do sleep 0.3; done
echo "token signed"
for worker in "$@"; do
    on "$worker" "kubeadm join $cp:6443 --token abcdef.0123456789abcdef --discovery-token-ca-cert-hash $hash --ignore-preflight-errors=$BENCH_IGNORE 2>&1" \
        >"$log.$worker" || cat "$log.$worker" >&2 &
done
wait
rm -f "$log".*
echo "workers joined"
until [ "$(k get nodes --no-headers 2>/dev/null | grep -c ' Ready')" = "$nodes" ]; do sleep 0.3; done
echo "all nodes Ready"
