"""What a host is at one moment, and how two such moments differ: proof that something changed nothing, or undid all."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from tests.lab import hosts

Snapshot = Mapping[str, str]  # "topic name": state

# Left out because they change by themselves while nobody does anything:
_VOLATILE = (
    *("/var/lib/etcd", "/var/lib/containerd"),  # databases; images and containers are compared by what ctr tells
    *("/var/lib/kubelet/pods", "/var/lib/kubelet/device-plugins"),  # sockets and tokens that the kubelet renews
    *("/var/lib/systemd", "/var/lib/dbus", "/var/lib/private"),  # systemd's clock, seed and timers
    "/root/.kube/cache",  # kubectl's, when a test calls it
)
_PLACES = ("/etc", "/usr", "/opt", "/root", "/home", "/srv", "/var/lib", "/run/kubeon", "/lib/modules-load.d")
# What apt and dpkg remember of packages that came and went; the packages themselves are compared.
PACKAGE_RECORDS = (r"(file|sha256) /var/lib/apt/(extended_states|lists/)", r"(file|sha256) /var/lib/dpkg/\S+-old ?$")
# Of the network namespace, hence the host's own in the lab. Counters are no settings.
_SETTINGS = r"^net\.(ipv4|ipv6|bridge|core|unix|netfilter)\."
_COUNTERS = r"nf_conntrack_count|nf_conntrack_max|nf_conntrack_buckets|random|\.stable_secret|\.route\.|fib_"

# Left out because podman gives them anew when it starts a host: the other end of eth0, details of the root's overlay.
# Directories without their times: a file that is written beside its place, found equal and removed changes nothing.
_SCRIPT = rf"""
export LC_ALL=C
find / -maxdepth 1 -printf 'file %p\t%y %m %u:%g\n'
find {" ".join(_PLACES)} -xdev \( {" -o ".join(f"-path {path}" for path in _VOLATILE)} \) -prune -o \
    \( -type d -printf 'file %p\t%y %m %u:%g\n' \) -o \( -type l -printf 'file %p\t%y %l\n' \) -o \
    \( -printf 'file %p\t%y %m %u:%g %s @%T@\n' \) 2>/dev/null
find /etc /root /home /usr/local /opt /var/lib/kubeon /var/lib/kubelet -xdev \
    \( {" -o ".join(f"-path {path}" for path in _VOLATILE)} \) -prune -o -type f -size -1024k \
    -exec sha256sum {{}} + 2>/dev/null | sed -E 's/^([0-9a-f]+)  (.*)/sha256 \2\t\1/'
systemctl list-unit-files --no-legend --no-pager --full | awk '{{ print "unit-file " $1 "\t" $2 }}'
systemctl show '*.service' '*.socket' '*.timer' '*.swap' -p Id -p ActiveState -p MainPID -p NRestarts --all |
    awk -F= '/^$/ {{ if (id) print "unit " id "\t" line; id = line = ""; next }}
             $1 == "Id" {{ id = $2; next }} {{ line = line $1 "=" $2 " " }}
             END {{ if (id) print "unit " id "\t" line }}'
for tool in iptables ip6tables; do
    command -v $tool-save >/dev/null || continue
    $tool-save 2>/dev/null | grep -v '^#' | sed 's/\[[0-9]*:[0-9]*\]//' |
        awk -v tool=$tool '/^\*/ {{ table = $1; next }} /^COMMIT/ {{ next }}
                               {{ print "rule " tool table " " $0 "\t-" }}'
done
command -v nft >/dev/null && nft list tables | sed 's/^/rule nft /; s/$/\t-/'
command -v ipvsadm >/dev/null && ipvsadm -Sn 2>/dev/null | sed 's/^/rule ipvs /; s/$/\t-/'
command -v ipset >/dev/null && ipset list -n | sed 's/^/rule ipset /; s/$/\t-/'
ip -4 route show table all | sed 's/^/route /; s/$/\t-/'
ip -6 route show table all | sed -E 's/ expires [0-9]+sec//; s/^/route /; s/$/\t-/'
ip rule | sed 's/^/route rule /; s/$/\t-/'
ip -o address show | sed -E 's/^[0-9]+: //; s/ +/ /g; s/^/address /; s/$/\t-/'
ip -o link show | sed -E 's/^[0-9]+: ([^:]+): /interface \1\t/; s/@if[0-9]+//; s/ +/ /g'
findmnt -rn -o TARGET,SOURCE,FSTYPE,OPTIONS |
    sed -E 's/^([^ ]+) /mount \1\t/; s/,(lowerdir|upperdir|workdir|uuid)=[^,]*//g'
cat /proc/swaps | tail -n +2 | sed 's/^/swap /; s/$/\t-/'
sysctl -a 2>/dev/null | sed -E 's/^([^ ]+) = (.*)/sysctl \1\t\2/'
uname -n | sed 's/^/hostname \t/'
dpkg-query -W -f 'package ${{Package}}\t${{Version}} ${{db:Status-Status}}\n'
if ctr --version >/dev/null 2>&1; then
    ctr -n k8s.io images ls | awk 'NR > 1 {{ print "image " $1 "\t" $3 " " $NF }}'
    ctr -n k8s.io tasks ls | awk 'NR > 1 {{ print "container " $1 "\t" $2 " " $3 }}'
fi
exit 0
"""


def take(host: hosts.LabHost) -> Snapshot:
    """Everything about a host that a program can leave behind."""
    lines = hosts.ssh(host, _SCRIPT).stdout.splitlines()
    pairs = (line.partition("\t")[::2] for line in lines if "\t" in line)
    return {name: state for name, state in pairs if not _is_noise(name)}


def take_all(lab_hosts: Iterable[hosts.LabHost]) -> dict[str, Snapshot]:
    """Snapshots of several hosts at the same time, by host."""
    lab_hosts = list(lab_hosts)
    with ThreadPoolExecutor(4) as pool:
        return dict(zip([host.name for host in lab_hosts], pool.map(take, lab_hosts), strict=True))


def settled(lab_hosts: Iterable[hosts.LabHost], *, patience: float = 90) -> dict[str, Snapshot]:
    """Snapshots after which nothing went on by itself: pods that ended are gone, rules are as they stay."""
    lab_hosts = list(lab_hosts)
    deadline = time.monotonic() + patience
    before = take_all(lab_hosts)
    while True:
        time.sleep(3)
        after = take_all(lab_hosts)
        if not (changes := differences(before, after)):
            return after
        assert time.monotonic() < deadline, f"hosts do not come to rest: {changes}"
        before = after


def differences(
    before: Mapping[str, Snapshot],
    after: Mapping[str, Snapshot],
    *,
    ignore: Iterable[str] = (),
    look: Callable[[str], str] = str,
) -> list[str]:
    """A line for everything that is not as it was. `ignore`: patterns of "topic name"; `look` trims a state first."""
    patterns = [re.compile(pattern) for pattern in ignore]
    lines = []
    for host in before:
        old, new = before[host], after[host]
        for name in sorted({*old, *new}):
            was, now = (look(each[name]) if name in each else "(none)" for each in (old, new))
            if was != now and not any(pattern.match(name) for pattern in patterns):
                lines.append(f"{host}: {name}: {was} -> {now}")
    return lines


def without_times(state: str) -> str:
    """A state without times and process ids: the same again, though it was written or started anew."""
    return re.sub(r" @[0-9.]+$|MainPID=\d+ |NRestarts=\d+ ", "", state)


def _is_noise(name: str) -> bool:
    topic, _, rest = name.partition(" ")
    if topic == "sysctl":
        return not re.match(_SETTINGS, rest) or bool(re.search(_COUNTERS, rest))
    if topic == "rule":  # a built-in chain that lets everything pass; `iptables -L` makes it, only nft can remove it
        return bool(re.search(r"tables\*\w+ :[A-Z]+ ACCEPT", rest))
    # logins of the test itself; and what the bus starts when somebody asks, and ends when nobody does any more
    transient = r"(user@|user-runtime-dir@|session-|run-|systemd-(timedated|hostnamed|localed)\.service)"
    return topic in {"unit", "unit-file"} and bool(re.match(transient, rest))
