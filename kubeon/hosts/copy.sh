# Copying files to and from a host: what is there already, putting, and getting. Names are always whole words, so they may
# hold anything. Temporary files are locked while they are written: those that are not, and that are older than a minute,
# are left over and go.

# an entry that is to be put: prints its number and new, same, attributes (only mode or time differ), or clash and why
check_folder() { # number path
    # in this order: on a disk that several hosts share another one may make it just now
    if [ ! -e "$2" ] && [ ! -L "$2" ]; then
        echo "$1 new"
    elif [ -d "$2" ]; then
        echo "$1 same"
        sweep "$2"
    else
        echo "$1 clash is there and is no directory"
    fi
}
check_link() { # number path target
    if [ -L "$2" ] && [ "$(readlink -- "$2"; echo .)" = "$(printf '%s\n.' "$3")" ]; then
        echo "$1 same"
    elif [ -d "$2" ] && [ ! -L "$2" ]; then
        echo "$1 clash is a directory there, and a link here"
    else
        echo "$1 new"
    fi
}
check_file() { # number path size sha256 mode mtime
    if [ -L "$2" ] || [ ! -e "$2" ]; then
        echo "$1 new"
    elif [ -d "$2" ]; then
        echo "$1 clash is a directory there, and a file here"
    elif [ ! -f "$2" ]; then
        echo "$1 clash is neither a file nor a link there"
    elif [ "$(stat -c %s -- "$2")" != "$3" ] || [ "$(sha256sum <"$2")" != "$4  -" ]; then
        echo "$1 new"
    elif [ "$(stat -c '%a %Y' -- "$2")" != "$5 $6" ]; then
        echo "$1 attributes"
    else
        echo "$1 same"
    fi
}
sweep() { # folder
    for old in "$1"/.kubeon-new-*; do
        [ -e "$old" ] || [ -L "$old" ] || continue
        if [ -L "$old" ]; then
            [ -z "$(find "$old" -mmin +1)" ] || rm -f -- "$old"
            continue
        fi
        # By its descriptor: it may get its name meanwhile, and its owner go on with the next one under this name. One of
        # a moment ago may be just about to be locked.
        (
            exec 7<"$old" && [ -n "$(find -L /proc/self/fd/7 -mmin +1)" ] && flock -n 7 &&
                [ "$(stat -L -c %i /proc/self/fd/7)" = "$(stat -c %i -- "$old")" ] && rm -f -- "$old"
        ) 2>/dev/null
    done
}

# putting: each prints its number when it is done; $token makes the temporary name this run's own
begin_put() {
    umask 077
    temporary=''
    trap 'rm -f -- "$temporary"' EXIT
    trap 'exit 74' HUP INT PIPE TERM
}
put_folder() { # number path mode
    # another host may have been first
    mkdir -m "$3" -- "$2" || [ -d "$2" ] || exit
    echo "$1"
}
put_mode() { # path mode
    chmod -- "$2" "$1" || exit
}
put_link() { # number path target
    temporary=${2%/*}/.kubeon-new-$token
    ln -s -- "$3" "$temporary" && mv -fT -- "$temporary" "$2" || exit
    echo "$1"
}
put_file() { # number path size mode mtime
    temporary=${2%/*}/.kubeon-new-$token
    exec 8>"$temporary" && flock -n 8 && head -c "$3" >&8 || exit
    if [ "$(stat -c %s -- "$temporary")" != "$3" ]; then
        echo "it did not arrive whole" >&2
        exit 74
    fi
    chmod -- "$4" "$temporary" && touch -d "@$5" -- "$temporary" && mv -fT -- "$temporary" "$2" || exit
    exec 8>&-
    echo "$1"
}
put_attributes() { # number path mode mtime
    chmod -- "$3" "$2" && touch -d "@$4" -- "$2" || exit
    echo "$1"
}

# getting: what lies below a path (a link that was named itself is followed), and files whose sha256 is not the given one
list_below() { # path
    find -H "$1" -printf '%y %m %T@ %s\0%P\0%l\0' || exit
}
get_file() { # number path sha256
    if [ -n "$3" ] && [ "$(sha256sum <"$2")" = "$3  -" ]; then
        echo "$1 same 0"
        return
    fi
    exec 8<"$2" && size=$(stat -L -c %s -- "$2") || exit
    echo "$1 file $size"
    head -c "$size" <&8 || exit
    echo "$1 end"
}
