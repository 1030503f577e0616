# Functions for preparing a host and for putting it back as it was found. Each makes one thing so, prints a line when
# that changed something, and is silent when it is so already. What was found is recorded before it is changed, once,
# so that interrupting at any point and running again is right. Variable set before: root (prefix for tests, else empty).
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
found=$root/var/lib/kubeon/found

fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# record TOPIC KEY VALUE: what was found there; a later run does not overwrite it
record() {
    mkdir -p "$found"
    chmod 700 "$root/var/lib/kubeon"
    if ! recorded "$1" "$2" >/dev/null; then printf '%s\t%s\n' "$2" "$3" >>"$found/$1"; fi
}

# recorded TOPIC KEY: print what was recorded, fail when nothing was
recorded() {
    [ -e "$found/$1" ] && key=$2 awk -F '\t' '$1 == ENVIRON["key"] { print $2; there = 1; exit }
        END { exit !there }' "$found/$1"
}

# replace FILE: with standard input, atomically, with mode, owner and SELinux label as they are; in place where the file
# is a mount of its own, as /etc/hosts is in a container
replace() {
    cp -p "$1" "$1.kubeon-new" && cat >"$1.kubeon-new" || return 1
    if command -v chcon >/dev/null; then chcon --reference="$1" "$1.kubeon-new" 2>/dev/null; fi
    if ! mv -f "$1.kubeon-new" "$1" 2>/dev/null; then
        cat "$1.kubeon-new" >"$1" || return 1
        rm -f "$1.kubeon-new"
    fi
}

# ensure_hosts_block NAME <block, empty: none: the awk program is replace_block() of hosts_block.py
ensure_hosts_block() {
    hosts=$root/etc/hosts
    if [ ! -e "$hosts" ]; then : >"$hosts"; fi
    wanted=$({
        cat
        echo '# kubeon: the file follows'
        cat "$hosts"
    } | begin="# BEGIN kubeon $1" end="# END kubeon $1" awk '
        !file { if ($0 == "# kubeon: the file follows") file = 1; else block[++blocks] = $0; next }
        { line[++lines] = $0 }
        function emit(  b) { if (!done) for (b = 1; b <= blocks; b++) print block[b]; done = 1 }
        END {
            begin = ENVIRON["begin"]; end = ENVIRON["end"]
            for (i = 1; i <= lines; i++) {
                if (line[i] != begin && line[i] != end) { print line[i]; continue }
                emit()
                if (line[i] != begin) continue
                for (j = i + 1; j <= lines && line[j] != begin && line[j] != end; j++) ;
                if (j <= lines && line[j] == end) i = j
            }
            emit()
            print "."
        }')
    # the dots keep $( ) from dropping empty last lines; a last line without its newline is no reason to write
    now=$(cat "$hosts" && echo .)
    if [ "$wanted" != "$now" ] && [ "$wanted" != "${now%.}
." ]; then
        printf '%s' "${wanted%.}" | replace "$hosts" || fail "/etc/hosts cannot be written"
        case $wanted in
        *"# BEGIN kubeon $1
"*) echo "/etc/hosts: entries of kubeon $1" ;;
        *) echo "/etc/hosts: entries of kubeon $1 removed" ;;
        esac
    fi
}

ensure_hostname() {
    now=$(uname -n)
    if [ "$now" = "$1" ]; then return 0; fi
    record hostname hostname "$now"
    if ! hostnamectl set-hostname "$1" 2>/dev/null; then
        printf '%s\n' "$1" >"$root/etc/hostname" || fail "/etc/hostname cannot be written"
        hostname "$1" || fail "the hostname cannot be set to $1"
    fi
    echo "hostname $now -> $1"
}

# ensure_module NAME FILE: FILE is there when the module is in the kernel, built in or loaded
ensure_module() {
    if [ -e "$root/sys/module/$1" ] || [ -e "$root$2" ]; then return 0; fi
    if [ "$1" = overlay ] && grep -q 'overlay$' "$root/proc/filesystems" 2>/dev/null; then return 0; fi
    modprobe "$1" || fail "kernel module $1 cannot be loaded"
    echo "module $1 loaded"
}

# record_sysctl KEY: somebody else will change it
record_sysctl() {
    file=$root/proc/sys/$(printf '%s' "$1" | tr . /)
    if [ -r "$file" ]; then record sysctl "$1" "$(tr -s '\t ' '  ' <"$file")"; fi
}

# ensure_sysctl KEY VALUE REQUIRED: now; at boot /etc/sysctl.d/99-kubeon.conf does it
ensure_sysctl() {
    file=$root/proc/sys/$(printf '%s' "$1" | tr . /)
    if [ ! -e "$file" ]; then
        if [ "$3" = yes ]; then fail "this kernel has no $1"; fi
        return 0
    fi
    now=$(tr -s '\t ' '  ' <"$file")
    if [ "$now" = "$2" ]; then return 0; fi
    record sysctl "$1" "$now"
    # in a container some belong to the machine
    if (printf '%s\n' "$2" >"$file") 2>/dev/null; then
        echo "sysctl $1 $now -> $2"
    elif [ "$3" = yes ]; then
        fail "sysctl $1 is $now and cannot be set to $2"
    else
        echo "sysctl $1 stays $now: not permitted" >&2
    fi
}

# unit_state NAME: "enabled active", "masked inactive" ...
unit_state() {
    printf '%s %s\n' "$(systemctl is-enabled "$1" 2>/dev/null)" "$(systemctl is-active "$1" 2>/dev/null)"
}

# unit_off NAME VERB: stop it and keep it from starting (VERB: disable or mask)
unit_off() {
    state=$(unit_state "$1")
    case "$2:$state" in
    *:masked*' inactive' | *:masked*' failed' | disable:disabled*' inactive') return 0 ;;
    esac
    record units "$1" "$state"
    systemctl stop "$1" || fail "$1 cannot be stopped"
    systemctl "$2" "$1" >/dev/null 2>&1 || fail "$1: systemctl $2 failed"
    echo "$1 stopped and ${2%e}ed"
}

# unit_on NAME: start it, now and at boot
unit_on() {
    state=$(unit_state "$1")
    case $state in enabled*' active' | static*' active' | alias*' active' | indirect*' active') return 0 ;; esac
    record units "$1" "$state"
    systemctl enable "$1" >/dev/null 2>&1
    systemctl start "$1" || fail "$1 cannot be started"
    echo "$1 enabled and started"
}

# the mark that comments a line out is the record of it
swap_lines() { grep -E '^[[:space:]]*[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]]|$)' "$1"; }

ensure_swap_off() {
    # zram and swap units that do not come from fstab would bring swap back at boot
    for unit in zramswap.service zram-config.service; do
        case $(unit_state "$unit") in *' active' | enabled*) unit_off "$unit" mask ;; esac
    done
    for unit in $(systemctl list-units --type=swap --no-legend --plain --no-pager 2>/dev/null | awk '{ print $1 }'); do
        case $unit in *.swap) ;; *) continue ;; esac
        # those of fstab lines go with the lines, and what `swapon` made by hand has no file
        case $(systemctl show -p SourcePath -p FragmentPath "$unit") in
        *=/etc/fstab*) continue ;;
        *=/*) unit_off "$unit" mask ;;
        esac
    done
    fstab=$root/etc/fstab
    if [ -e "$fstab" ] && swap_lines "$fstab" >/dev/null; then
        sed -E 's/^([[:space:]]*[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap([[:space:]].*)?)$/#kubeon# \1/' \
            "$fstab" | replace "$fstab" || fail "/etc/fstab cannot be written"
        echo "/etc/fstab: swap commented out"
        systemctl daemon-reload
    fi
    tail -n +2 "$root/proc/swaps" 2>/dev/null | while read -r device _; do
        record swap "$device" on
        swapoff "$device" || fail "swap on $device cannot be switched off: is there memory enough for what it holds?"
        echo "swap $device off"
    done || exit 1
}

ensure_selinux_permissive() {
    if [ "$(getenforce 2>/dev/null)" = Enforcing ]; then
        record selinux runtime Enforcing
        setenforce 0 || fail "setenforce 0 failed"
        echo "SELinux enforcing -> permissive"
    fi
    configuration=$root/etc/selinux/config
    if grep -q '^SELINUX=enforcing' "$configuration" 2>/dev/null; then
        record selinux boot enforcing
        sed 's/^SELINUX=enforcing/SELINUX=permissive/' "$configuration" | replace "$configuration" ||
            fail "/etc/selinux/config cannot be written"
        echo "SELinux at boot: enforcing -> permissive"
    fi
}

ensure_firewall_off() {
    case $(unit_state firewalld.service) in *' active' | enabled*) unit_off firewalld.service disable ;; esac
    if grep -q '^ENABLED=yes' "$root/etc/ufw/ufw.conf" 2>/dev/null; then
        record firewall ufw enabled
        ufw disable >/dev/null || fail "ufw disable failed"
        echo "ufw disabled"
    fi
}

# a time service that runs is left alone; else the first that is installed is started. A container has its machine's time.
ensure_time_service() {
    if systemd-detect-virt -cq 2>/dev/null; then return 0; fi
    for unit in chrony chronyd systemd-timesyncd ntp ntpd ntpsec openntpd; do
        if systemctl is-active -q "$unit.service"; then return 0; fi
    done
    for unit in chrony chronyd systemd-timesyncd ntp ntpd ntpsec openntpd; do
        case $(unit_state "$unit.service") in '' | ' '* | not-found* | masked* | alias*) continue ;; esac
        unit_on "$unit.service"
        return 0
    done
    echo "no time service is installed" >&2
}

restore_units() {
    [ -e "$found/units" ] || return 0
    while IFS='	' read -r unit state <&3; do
        case $(unit_state "$unit") in "$state" | ' '* | not-found*) continue ;; esac
        case $state in masked*) ;; *) systemctl unmask "$unit" >/dev/null 2>&1 ;; esac
        case $state in
        enabled*) systemctl enable "$unit" >/dev/null 2>&1 ;;
        disabled*) systemctl disable "$unit" >/dev/null 2>&1 ;;
        masked*) systemctl mask "$unit" >/dev/null 2>&1 ;;
        esac
        case $state in *' active') systemctl start "$unit" ;; *) systemctl stop "$unit" ;; esac
        echo "$unit $state again"
    done 3<"$found/units"
}

# restore NAME: everything as it was found; the record goes last. Modules stay loaded until the next boot: somebody else
# may use them by now.
restore() {
    : | ensure_hosts_block "$1"
    rm -f "$root/etc/sysctl.d/99-kubeon.conf" "$root/etc/modules-load.d/kubeon.conf"
    if [ -e "$found/sysctl" ]; then
        while IFS='	' read -r key value <&3; do
            file=$root/proc/sys/$(printf '%s' "$key" | tr . /)
            [ -e "$file" ] && [ "$(tr -s '\t ' '  ' <"$file")" != "$value" ] &&
                (printf '%s\n' "$value" >"$file") 2>/dev/null && echo "sysctl $key $value again"
        done 3<"$found/sysctl"
    fi
    if [ -e "$root/etc/fstab" ] && grep -q '^#kubeon# ' "$root/etc/fstab"; then
        sed 's/^#kubeon# //' "$root/etc/fstab" | replace "$root/etc/fstab" && echo "/etc/fstab: swap as it was"
        systemctl daemon-reload
    fi
    restore_units
    if [ -e "$found/swap" ]; then
        while IFS='	' read -r device _ <&3; do
            awk '{ print $1 }' "$root/proc/swaps" | grep -qxF "$device" && continue
            swapon "$device" && echo "swap $device on"
        done 3<"$found/swap"
    fi
    if recorded selinux boot >/dev/null && grep -q '^SELINUX=permissive' "$root/etc/selinux/config"; then
        sed 's/^SELINUX=permissive/SELINUX=enforcing/' "$root/etc/selinux/config" | replace "$root/etc/selinux/config" &&
            echo "SELinux at boot: enforcing again"
    fi
    if recorded selinux runtime >/dev/null && [ "$(getenforce)" = Permissive ]; then
        setenforce 1 && echo "SELinux enforcing again"
    fi
    if recorded firewall ufw >/dev/null && ! grep -q '^ENABLED=yes' "$root/etc/ufw/ufw.conf"; then
        ufw --force enable >/dev/null && echo "ufw enabled again"
    fi
    name=$(recorded hostname hostname) && ensure_hostname "$name"
    rm -rf "$found"
    rmdir "$root/var/lib/kubeon" 2>/dev/null
    return 0
}
