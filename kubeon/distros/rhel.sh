# dnf or yum, and rpm. Both managers wait by themselves for others that hold their lock.
list_installed() {
    # keys that were imported to verify packages are listed as packages
    rpm -qa --qf '%{NAME}\n' | grep -v '^gpg-pubkey'
}

# neither removes anything to make room unless it is told to, but for packages that a new one says it replaces
manager() {
    if command -v dnf >/dev/null; then
        dnf -y -q --setopt=obsoletes=False --setopt=install_weak_deps=False "$@"
    else
        yum -y -q --setopt=obsoletes=0 "$@"
    fi
}

install_packages() {
    if [ $# -eq 0 ]; then return 0; fi
    # a killed transaction may leave a data base that cannot be read
    rpm -q rpm >/dev/null 2>&1 || rpm --rebuilddb
    output=$(manager install "$@" 2>&1 </dev/null) ||
        # a repository that these packages do not come from must not stand in the way, as offline all of them do
        output=$(manager --setopt='*.skip_if_unavailable=True' install "$@" 2>&1 </dev/null) || {
        printf '%s\n' "$output" >&2
        return 1
    }
}

# rpm itself, not dnf: it never removes more than it is told. It removes all or nothing, so what others need is left
# out by trying one after the other until none goes any more.
remove_packages() {
    rpm -e "$@" >/dev/null 2>&1 </dev/null && return 0
    removed=yes
    while [ "$removed" = yes ]; do
        removed=no
        for name in "$@"; do
            if rpm -q "$name" >/dev/null 2>&1 && rpm -e "$name" >/dev/null 2>&1 </dev/null; then removed=yes; fi
        done
    done
    return 0
}
