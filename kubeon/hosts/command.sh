# Runs one command of the user's (its words in $@) so that it can be ended from afar, with all its children.
# Variables set before: size (bytes of standard input that are the command's; after them standard input stays open for as
# long as the command is wanted), grace (seconds between SIGTERM and SIGKILL).
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
main=$$
exec 3<&0 4>&2

# Its input has to be here before it starts: half of it is never acted on, and nothing then stands between us and the end
# of standard input, which says that the command is not wanted any more.
if [ "$size" -gt 0 ]; then
    input=$(umask 077 && mktemp "${TMPDIR:-/tmp}/kubeon-input.XXXXXXXX") || exit 74
    trap 'rm -f "$input"' EXIT
    trap 'exit 74' HUP INT PIPE TERM
    head -c "$size" <&3 >"$input" || exit 74
    if [ "$(wc -c <"$input")" -ne "$size" ]; then
        echo "the input did not arrive whole" >&2
        exit 74
    fi
    exec <"$input"
    rm -f "$input"
    trap - EXIT HUP INT PIPE TERM
else
    exec </dev/null
fi

# sets $alive: the command, its descendants, and whoever is or was in a session of theirs
look() {
    alive='' more=yes
    while [ -n "$more" ]; do
        more=''
        for stat in /proc/[0-9]*/stat; do
            read -r line <"$stat" || continue
            pid=${line%% *}
            # after the name, which may hold anything: state, parent, process group, session
            # shellcheck disable=SC2086
            set -- ${line##*) }
            [ "$1" = Z ] && continue
            case " $main $self $alive " in *" $pid "*) continue ;; esac
            # known itself, or by its parent or its session
            case " $main $known" in *" $pid "* | *" $2 "*) ;; *) case $known in *" $4 "*) ;; *) continue ;; esac ;; esac
            alive="$alive $pid " known="$known $pid " more=yes
        done
    done
}

# waits until nobody wants the command any more, and ends it
watch() {
    while read -r _; do :; done
    trap '' TERM
    read -r self _ </proc/self/stat
    known='' told='' rounds=0
    # three looks at least: the command may not have been started yet
    while look && { [ -n "$alive" ] || [ "$rounds" -lt 3 ]; }; do
        # shellcheck disable=SC2086
        if [ "$rounds" -ge $((grace * 5)) ]; then
            kill -s KILL $alive
        elif [ "$alive" != "$told" ]; then
            kill -s TERM $alive
            told=$alive
        fi
        rounds=$((rounds + 1))
        [ "$rounds" -lt $((grace * 5 + 25)) ] || break
        sleep 0.2
    done
}

# the shell's own words about a command that was ended ("Terminated") are nobody's output
exec 2>/dev/null
watch <&3 >/dev/null 4>&- &
watcher=$!
(exec setsid "$@" 2>&4 3<&- 4>&-)
code=$?
# one that is ending the rest of the command does not hear this
kill "$watcher"
wait "$watcher"
exit "$code"
