# apt and dpkg, without questions, waiting for others that hold their locks.
DEBIAN_FRONTEND=noninteractive
NEEDRESTART_SUSPEND=1 # Ubuntu's needrestart would restart other people's services
export DEBIAN_FRONTEND NEEDRESTART_SUSPEND

# also what somebody has not come to the end with: it is his, though kubeon completes it
list_installed() {
    dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | grep -vE '^(not-installed|config-files) ' | cut -d' ' -f2
}

# patient COMMAND...: run it, again while somebody else holds a lock (apt before 1.9.11 knows no Lock::Timeout, and
# neither dpkg nor `apt-get update` waits at all); its output ends up in $output, standard error last, which alone decides
patient() {
    tries=0
    until output=$(
        {
            code=0
            complaints=$("$@" 2>&1 >&4 4>&- </dev/null) || code=$?
            printf '\nstandard error:\n%s' "$complaints"
            exit "$code"
        } 4>&1
    ); do
        tries=$((tries + 1))
        case ${output##*standard error:} in
        *lock-frontend* | *"Could not get lock"* | *"Unable to lock"* | *"lock was held"* | *"is locked by another"*) ;;
        *) return 1 ;;
        esac
        if [ "$tries" -ge 120 ]; then return 1; fi
        sleep 5
    done
}

# conffiles that an administrator changed stay, and so does every package: what kubeon has not installed it does not
# remove, whatever else apt could make room with; without a terminal dpkg prints no progress
apt() {
    apt-get -y -q --no-remove -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o APT::Install-Recommends=false "$@"
}

# unfinished: packages that dpkg has not come to the end with, in its words
unfinished() {
    dpkg --audit 2>/dev/null
}

# finish_earlier: what somebody was killed at, as far as it needs nothing more
finish_earlier() {
    if [ -n "$(unfinished)" ] || ls "$root"/var/lib/dpkg/updates/[0-9]* >/dev/null 2>&1; then
        patient dpkg --force-confdef --force-confold --configure -a || true
    fi
}

install_packages() {
    if [ $# -eq 0 ]; then return 0; fi
    finish_earlier
    # what lacks only packages that can be had gets them
    if [ -n "$(unfinished)" ]; then patient apt --fix-broken install || true; fi
    # lists are fetched only when these packages cannot be had with those that are there: offline hosts have none
    apt -s install "$@" >/dev/null 2>&1 </dev/null || patient apt update || true
    patient apt install "$@" || {
        patient apt update || true # out-dated lists name files that are gone
        patient apt install "$@"
    } || {
        if [ -n "$(unfinished)" ]; then
            printf 'dpkg --audit:\n%s\nkubeon removes no package that it has not installed: ' "$(unfinished)" >&2
            printf 'complete or remove these, then run the same command again\n' >&2
        fi
        printf '%s\n' "$output" >&2
        return 1
    }
}

# dpkg itself, not apt: it never removes more than it is told, and leaves what others depend on
remove_packages() {
    finish_earlier
    patient dpkg --purge "$@" || true
}
