# shellcheck disable=SC2154 # variables and functions come before this text
# How a host is right now, printed in sections; looking.sh comes before it. What only some hosts are asked comes after,
# by `ask`.

# Sections that a script fills: ask NAME SECONDS, the script on standard input; what it prints, then its exit code.
# The end of what it says on standard error is a section of its own: beside a good answer there may be warnings.
ask() {
    section "ask $1"
    script=$(cat)
    # as an argument: a program in it that reads its standard input must not eat the rest of the script
    said=$(
        {
            timeout "$2" sh -c "$script" </dev/null 2>&1 >&3 3>&-
            printf '\n@@exit %s' "$?"
        } | tail -c 4096
    )
    printf '\n@@exit %s\n' "${said##*@@exit }"
    section "said $1"
    printf '%s\n' "${said%@@exit *}"
}

# the first reading of the clock, as early as can be; the last one ends the answer
section clock-first
date +%s.%N
section hostname
uname -n
section kernel
uname -r
section os-release
cat "$root/etc/os-release" || cat "$root/usr/lib/os-release"
section uptime
cat "$root/proc/uptime"
section cluster-marker
cat "$root/etc/kubernetes/kubeon-cluster"

look_at_units
section kubelet-says
# systemctl needs no time to say so, and only then is the journal worth reading
limited systemctl is-active --quiet kubelet.service || limited journalctl -u kubelet -n 3 -o cat --no-pager
look_at_disks
look_at_system_pods

section certificates
# keys lie beside certificates in kubelet-client-current.pem and in kubeconfigs: they stay here
for file in "$root"/etc/kubernetes/pki/*.crt "$root"/etc/kubernetes/pki/etcd/*.crt "$root"/etc/kubernetes/*.conf \
    "$root"/var/lib/kubelet/pki/kubelet-client-current.pem "$root"/var/lib/kubelet/pki/kubelet-server-current.pem \
    "$root"/var/lib/kubelet/pki/kubelet.crt; do
    [ -f "$file" ] || continue
    # a file may end without a newline
    printf '\nfile %s\n' "${file#"$root"}"
    case $file in
    *.conf) sed -n 's/^ *client-certificate-data: *//p' "$file" | base64 -d ;;
    *) sed -n '/^-----BEGIN CERTIFICATE-----/,/^-----END CERTIFICATE-----/p' "$file" ;;
    esac
done
