# What is the same for all families. It needs list_installed, install_packages NAMES and remove_packages NAMES.
# A package counts as added by kubeon when it was not installed before and was afterwards: dependencies included, those
# that were there before excluded. The list from before is written first, so that an interrupted run is settled by the
# next one.
LC_ALL=C
export LC_ALL
record=$root/var/lib/kubeon/found

# unite FILE: add the lines of standard input to a sorted list
unite() {
    { cat; if [ -e "$1" ]; then cat "$1"; fi; } | sort -u >"$1.new" && mv -f "$1.new" "$1"
}

settle_packages() {
    if [ ! -e "$record/packages-before" ]; then return 0; fi
    list_installed | sort -u >"$record/packages-after"
    comm -13 "$record/packages-before" "$record/packages-after" | unite "$record/packages-added"
    # apt removes what conflicts: chrony and systemd-timesyncd exclude each other
    comm -23 "$record/packages-before" "$record/packages-after" | unite "$record/packages-replaced"
    if [ ! -s "$record/packages-replaced" ]; then rm -f "$record/packages-replaced"; fi
    rm -f "$record/packages-before" "$record/packages-after" "$record/packages-asked"
}

add_packages() {
    set -e
    if [ -n "$required$optional" ]; then
        mkdir -p "$record"
        chmod 700 "$root/var/lib/kubeon"
        if [ ! -e "$record/packages-before" ]; then
            list_installed | sort -u >"$record/packages-before.new"
            mv -f "$record/packages-before.new" "$record/packages-before"
        fi
        # shellcheck disable=SC2086 # lists of words
        printf '%s\n' $required $optional | unite "$record/packages-asked"
        # shellcheck disable=SC2086
        install_packages $required
        for name in $optional; do
            (install_packages "$name") >/dev/null 2>&1 || echo "optional package $name cannot be had" >&2
        done
    fi
    if [ -e "$record/packages-before" ]; then
        list_installed | sort -u | comm -13 "$record/packages-before" - | sed 's/^/package /;s/$/ installed/'
        settle_packages
    fi
}

drop_packages() {
    if [ -e "$record/packages-before" ]; then
        # An installation was interrupted and never repeated: of all that has appeared since, only what kubeon asked
        # for by name is surely its own.
        list_installed | sort -u >"$record/packages-after"
        comm -13 "$record/packages-before" "$record/packages-after" >"$record/packages-new"
        comm -12 "$record/packages-new" "$record/packages-asked" | unite "$record/packages-added"
        rm -f "$record/packages-before" "$record/packages-after" "$record/packages-new" "$record/packages-asked"
    fi
    if [ -s "$record/packages-added" ]; then
        list_installed | sort -u >"$record/packages-after"
        comm -12 "$record/packages-added" "$record/packages-after" >"$record/packages-drop"
        # shellcheck disable=SC2046 # a list of words
        if [ -s "$record/packages-drop" ]; then remove_packages $(cat "$record/packages-drop"); fi
        list_installed | sort -u >"$record/packages-after"
        comm -23 "$record/packages-drop" "$record/packages-after" | sed 's/^/package /;s/$/ removed/'
        comm -12 "$record/packages-drop" "$record/packages-after" | sed 's/^/package /;s/$/ kept: others need it/'
    fi
    if [ -s "$record/packages-replaced" ]; then
        # shellcheck disable=SC2046
        (install_packages $(cat "$record/packages-replaced")) >/dev/null 2>&1 &&
            sed 's/^/package /;s/$/ installed again/' "$record/packages-replaced"
    fi
    rm -f "$record"/packages-*
}
