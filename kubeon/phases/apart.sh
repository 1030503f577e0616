# A control plane whose API server nobody else reaches for a while, and whose kubelet asks another one. After toward().

# Who does not get in stands in a chain of our own, which a boot forgets.
apart() { iptables -w 10 "$@" 2>/dev/null; }
door() { apart "$1" INPUT ! -i lo -p tcp --dport 6443 -j KUBEON-APART; }
refuse() { apart -F KUBEON-APART && apart -A KUBEON-APART -p tcp "$@" -j REJECT --reject-with tcp-reset; }

# shut_out NOTICED LONGEST: new connections are refused; NOTICED seconds later those that are left end, too. Where
# iptables cannot do it, and with 0, nobody is refused. Whatever becomes of us, after LONGEST seconds all come in again.
shut_out() {
    [ "$1" -gt 0 ] || return 0
    apart -N KUBEON-APART || apart -F KUBEON-APART || return 0
    systemctl stop kubeon-apart.timer 2>/dev/null || :
    systemd-run --quiet --unit kubeon-apart --on-active "$2" iptables -w 10 -F KUBEON-APART || return 0
    if { door -C || door -I; } && refuse --syn; then
        sleep "$1"
        refuse || :
    fi
}

let_in() {
    while door -D; do :; done
    if apart -F KUBEON-APART; then apart -X KUBEON-APART || :; fi
    systemctl stop kubeon-apart.timer 2>/dev/null || :
}

# stand_apart OTHER NOTICED LONGEST LOG: this host's own go to another API server, and others are shut out until kubeadm
# writes into LOG that the API server is through: it has two components left then.
stand_apart() {
    mkdir -p /run/kubeon
    : >"$4"
    (umask 077 && sed "s#^\( *server: https://\).*#\1$1#" /etc/kubernetes/admin.conf >/run/kubeon/apart.conf)
    toward "$1"
    systemctl restart kubelet
    shut_out "$2" "$3"
    while kill -0 $$ 2>/dev/null; do
        if grep -q '"kube-apiserver" upgraded' "$4"; then let_in && break; fi
        sleep 1
    done >/dev/null 2>&1 9<&- &
}

# end_apart OWN
end_apart() {
    rm -f /run/kubeon/apart.conf
    let_in
    toward "$1"
    systemctl restart kubelet
}

