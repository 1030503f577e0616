# shellcheck disable=SC2154 # variables come before this text
# Gives a control plane the data of a snapshot. Variables: data work parked old attempt etcdutl; before this text come `running`,
# `in_image` and the like, too. Everything is looked at first, so each function may be cut off anywhere and run again.
manifests=/etc/kubernetes/manifests
components="kube-apiserver kube-controller-manager kube-scheduler etcd"
say() { printf '%s\n' "$*"; }
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}
is_restored() { [ "$(cat "$work/attempt" 2>/dev/null)" = "$attempt" ]; }

# One that cannot be asked about is taken for running.
left() { for name in $components; do running "$name" || say "$name"; done; }

# The manifests move away, and the kubelet ends what they describe. Without a kubelet nobody starts it again either.
park() {
    (umask 077 && mkdir -p "$parked") || exit
    for name in $components; do
        [ -e "$manifests/$name.yaml" ] || continue
        mv -f "$manifests/$name.yaml" "$parked/$name.yaml" && say "stopped $name" || exit
    done
    systemctl is-active --quiet kubelet || systemctl start kubelet
    for attempts in $(seq 120); do
        [ -n "$(left)" ] || return 0
        # it would wait half a minute for the ends of its watches, and without etcd it can do nothing more for anybody
        if etcds=$(running etcd) && [ -z "$etcds" ]; then kill_api_server; fi
        if [ "$attempts" = 40 ]; then stop_all; fi
        sleep 1
    done
    fail "containers of the control plane still run: $(left | tr '\n' ' ')"
}

unpark() { # NAME...
    for name in "$@"; do
        [ -e "$parked/$name.yaml" ] || continue
        mv -f "$parked/$name.yaml" "$manifests/$name.yaml" && say "started $name" || exit
    done
    rmdir "$parked" 2>/dev/null
    systemctl is-active --quiet kubelet || systemctl start kubelet
}

after_rescue() {
    code=$?
    end kubeon-rescue
    rm -rf "$work/copy"
    [ $code = 0 ] || rm -rf "$work"
}

# A running copy of the member's data as a cluster of one: etcd itself reads its log to the end, of which a mere copy of
# the database lacks the last moments.
rescue() { # NAME
    [ -d "$data/member" ] || fail "$data/member is not there: this member has no data"
    rm -rf "$work"
    (umask 077 && mkdir -p "$work/copy") || exit
    cp -a --reflink=auto "$data/member" "$work/copy/member" || exit
    end kubeon-rescue
    trap after_rescue EXIT
    trap 'exit 1' HUP PIPE TERM # nobody listens any more
    (
        exec 9>&- >"$work/copy/log" 2>&1 # the lock is not to be held by what may stay behind
        in_container kubeon-rescue etcd --name "$1" --data-dir "$work/copy" --force-new-cluster \
            --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
            --listen-peer-urls http://127.0.0.1:2380
    ) &
    for attempts in $(seq 240); do
        beside kubeon-rescue etcdctl --endpoints http://127.0.0.1:2379 endpoint health >/dev/null 2>&1 && break
        [ "$attempts" = 240 ] && fail "etcd does not start on a copy of its data: $(tail -n 3 "$work/copy/log")"
        sleep 0.5
    done
    beside kubeon-rescue etcdctl --endpoints http://127.0.0.1:2379 snapshot save "$work/snapshot.db" >&2 || exit
}

# The new data first, beside; the old data moves only when that is whole.
restore() { # WORD...: of the tool's command line
    if is_restored; then return 0; fi
    tool="in_image etcdctl"
    if [ -x "$etcdutl" ]; then tool=$etcdutl; fi
    if in_image etcdutl version >/dev/null 2>&1; then tool="in_image etcdutl"; fi
    # So that nobody's watch waits for revisions that were there once (etcd-io/etcd#16028)
    bump=
    if $tool snapshot restore --help | grep -q -- --bump-revision; then
        bump="--bump-revision 1000000000 --mark-compacted"
    fi
    rm -rf "$work/new"
    # shellcheck disable=SC2086 # words
    $tool snapshot restore "$work/snapshot.db" --data-dir "$work/new" $bump "$@" >&2 || exit
    [ -d "$work/new/member" ] || fail "${tool#in_image } has restored nothing"
    if [ -d "$data/member" ]; then
        [ ! -e "$old/member" ] || old=$old-$(date +%s)
        (umask 077 && mkdir -p "$old") && mv "$data/member" "$old/member" || exit
        chown -R --reference="$old/member" "$work/new/member"
        say "the data as it was: $old"
    fi
    mv "$work/new/member" "$data/member" || exit
    printf '%s\n' "$attempt" >"$work/attempt" && sync "$work/attempt" "$data/member" || exit
    say "etcd's data restored${bump:+, its revision raised}"
}
