# A control plane whose API server is out of the way while its etcd is exchanged, and whose kubelet asks another one
# meanwhile. After toward().

# The rule stands in a chain of our own, which a boot forgets.
apart() { iptables -w 10 "$@" 2>/dev/null; }
jump() { apart "$1" INPUT -i lo -p tcp -d 127.0.0.1 --dport 2379 --syn -j KUBEON-APART; }

# hold_back LONGEST: an API server that starts does not find its etcd, so it is not ready and nobody is led to it; one
# that runs keeps its connections. It fails where iptables cannot do it. After LONGEST seconds it ends whatever comes.
hold_back() {
    apart -N KUBEON-APART || apart -F KUBEON-APART || return
    systemctl stop kubeon-apart.timer 2>/dev/null || :
    systemd-run --quiet --unit kubeon-apart --on-active "$1" iptables -w 10 -F KUBEON-APART || return
    jump -C || jump -I || return
    apart -A KUBEON-APART -p tcp -j REJECT --reject-with tcp-reset
}

# release: it finds its etcd again.
release() {
    while jump -D; do :; done
    if apart -F KUBEON-APART; then apart -X KUBEON-APART || :; fi
    systemctl stop kubeon-apart.timer 2>/dev/null || :
}

# until_closed ADDRESS: an API server that has been told to end closes its port after shutdown-delay-duration. It lives
# on for its watches, and has a second here for what was asked last.
until_closed() {
    for _ in $(seq 300); do
        bash -c "exec 3<>/dev/tcp/$1/6443" 2>/dev/null || break
        sleep 0.2
    done
    sleep 1
}

# until_others_lead: the managers of this host have no API server any more, and others take their leases 15 seconds after
# the last word of these. Kubeadm's Job has no longer than that up to v1.35 (createJob in phases/upgrade/health.go).
# A minute at most: leases may have been given other names or times.
until_others_lead() {
    last=$(($(date +%s) + 60))
    while [ "$(date +%s)" -lt "$last" ]; do
        leaders=$(kubectl --kubeconfig /run/kubeon/apart.conf --request-timeout 5s get lease --namespace kube-system \
            --ignore-not-found kube-controller-manager kube-scheduler \
            -o 'jsonpath={range .items[*]},{.spec.holderIdentity}{end}' 2>/dev/null) || leaders=
        case "$leaders," in
            , | *,,* | *",$(uname -n)_"*) sleep 1 ;;
            *) break ;;
        esac
    done
}

# stand_apart OTHER: this host's own ask another API server.
stand_apart() {
    mkdir -p /run/kubeon
    (umask 077 && sed "s#^\( *server: https://\).*#\1$1#" /etc/kubernetes/admin.conf >/run/kubeon/apart.conf)
    toward "$1"
    systemctl restart kubelet
}

# release_after_etcd LOG: it finds its etcd again when kubeadm writes into LOG that it goes on to the API server, and
# when this shell ends.
release_after_etcd() {
    : >"$1"
    {
        while kill -0 $$ && ! grep -q 'Preparing for "kube-apiserver"' "$1"; do sleep 1; done
        release
    } >/dev/null 2>&1 9<&- &
}

# end_apart OWN
end_apart() {
    rm -f /run/kubeon/apart.conf
    release
    toward "$1"
    systemctl restart kubelet
}
