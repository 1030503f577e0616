"""A host as it was before kubeon came: for `destroy`, and for a node that leaves."""

import shlex
from collections.abc import Sequence

from kubeon.bundle.install import ASIDE, INSTALLED
from kubeon.hosts.host import Host
from kubeon.hosts.preparation import restore_script
from kubeon.phases.context import Cluster, Step
from kubeon.phases.prepare_hosts import MARKER

TIMEOUT = 600  # seconds
KUBERNETES_PATHS = (
    *("/etc/kubernetes", "/var/lib/kubelet", "/var/lib/etcd", "/etc/cni/net.d", "/var/lib/cni", "/var/log/pods"),
    *(
        "/var/log/containers",
        "/usr/libexec/kubernetes",
        "/run/kubeon",
        "/run/flannel",
        "/etc/systemd/system/kubelet.service",
    ),
    *("/etc/systemd/system/kubelet.service.d", "/usr/local/lib/kubeon"),
)
CHAINS = "KUBE-|CNI-|KUBEON-"  # what kube-proxy, the kubelet, CNI plugins and kubeon name their chains
INTERFACES = ("kube-ipvs0", "nodelocaldns")
_CLEAN = """
say() {{ printf '%s\\n' "$*"; }}
# -- units, then what runs in pods: by cgroup, so that nothing depends on a runtime that answers
for unit in kubelet.service {units}; do
    [ -e "/etc/systemd/system/$unit" ] || systemctl cat "$unit" >/dev/null 2>&1 || continue
    systemctl disable --quiet --now "$unit" 2>/dev/null && say "stopped $unit"
done
{script}
for round in 1 2 3; do
    pids=$(find /sys/fs/cgroup -path '*kubepods*' -name cgroup.procs -exec cat {{}} + 2>/dev/null | sort -u)
    [ -n "$pids" ] || break
    kill -KILL $pids 2>/dev/null
    sleep 0.3
done
for unit in {runtime_units}; do
    systemctl disable --quiet --now "$unit" 2>/dev/null && say "stopped $unit"
done
for program in {processes}; do
    for pid in $(pgrep -f "^[^ ]*/$program ") ; do kill -KILL "$pid" 2>/dev/null; done
done
systemctl stop kubepods.slice 2>/dev/null
# -- mounts, deepest first
for round in 1 2 3; do
    mounts=$(awk '{{ print $2 }}' /proc/mounts | grep -E '^({mounts})(/|$)' | sort -ru)
    [ -n "$mounts" ] || break
    printf '%s\\n' "$mounts" | while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount"; done
done
# -- network
for namespace in /run/netns/cni-*; do
    [ -e "$namespace" ] || continue
    umount "$namespace" 2>/dev/null
    rm -f "$namespace"
done
for interface in {interfaces}; do
    for path in /sys/class/net/$interface; do
        [ -e "$path" ] && ip link delete "${{path##*/}}" && say "removed interface ${{path##*/}}"
    done
done
for tool in iptables ip6tables iptables-legacy ip6tables-legacy; do
    command -v $tool-save >/dev/null || continue
    rules=$($tool-save 2>/dev/null) || continue
    printf '%s\\n' "$rules" | grep -qE -- '{chains}' || continue
    printf '%s\\n' "$rules" | grep -vE -- '{chains}' | $tool-restore && say "removed rules of Kubernetes from $tool"
done
if command -v ipvsadm >/dev/null && [ -n "$(ipvsadm -Sn 2>/dev/null)" ]; then ipvsadm --clear; fi
# -- files
if [ -e {installed} ]; then
    while read -r path; do
        rm -f "$path" "$path.kubeon-new"
        if [ -e "{aside}$path" ]; then mv "{aside}$path" "$path" && say "put back $path"; fi
        rmdir -p --ignore-fail-on-non-empty "${{path%/*}}" 2>/dev/null
    done <{installed}
    rm -f {installed}
    say "removed the binaries"
fi
for path in {paths}; do
    [ -e "$path" ] || [ -L "$path" ] || continue
    rm -rf "$path" && say "removed $path"
done
systemctl daemon-reload
systemctl reset-failed 2>/dev/null
"""
_NAME_PACKAGES = """
sed 's/^/package /;s/$/ stays: kubeon had installed it/' /var/lib/kubeon/found/packages-added 2>/dev/null
rm -f /var/lib/kubeon/found/packages-*
"""


class CleanHost(Step):
    """Take everything away that kubeon and Kubernetes put there, and put back what was found."""

    name = "clean-host"
    title = "Clean the host"

    def __init__(self, *, remove_packages: bool = False) -> None:
        self.remove_packages = remove_packages

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Hosts that bear this cluster's mark, and no others: one that kubeon never touched stays untouched."""
        return host.facts.cluster_marker.split(" ")[0] == ctx.spec.name

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What goes, what comes back, what stays."""
        lines = ["stop every pod, remove Kubernetes, its data and its network; put host settings back"]
        if host.facts.etcd_data:
            lines.insert(0, "DELETE etcd's data: every object of the cluster")
        if "found/packages-added" in host.facts.records:
            lines.append(f"{'remove' if self.remove_packages else 'keep, and name,'} the packages kubeon installed")
        return lines

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The mark goes last: a run that was cut off is taken up again."""
        family = ctx.families.get(host.name) if self.remove_packages else None
        named = "" if family else _NAME_PACKAGES
        script = clean_script(ctx) + named + restore_script(ctx.spec.name, family)
        return host.change(script, timeout=TIMEOUT, what="clean the host").splitlines()


def clean_script(ctx: Cluster) -> str:
    """The script, for the plug-ins of a cluster."""
    cri, cni = ctx.cri.remains(), ctx.cni.cleaning()
    paths = [path for path in (*cni.paths, *KUBERNETES_PATHS, *cri.paths) if path != "/etc/kubernetes"]
    own_chains = "|".join(dict.fromkeys([CHAINS, *(chain for _, chain in cni.chains)]))
    return (
        _CLEAN.format(
            units=" ".join(cni.units),
            script=cni.script,
            runtime_units=" ".join(cri.units),
            processes=" ".join(cri.processes),
            mounts="|".join(("/var/lib/kubelet", "/run/netns/cni-[^/]*", *(path for path in cri.paths))),
            interfaces=" ".join((*INTERFACES, *cni.interfaces)),
            chains=own_chains,
            installed=INSTALLED,
            aside=ASIDE,
            paths=" ".join(map(shlex.quote, paths)),
        )
        + f"find /etc/kubernetes -mindepth 1 -maxdepth 1 ! -path {MARKER} -exec rm -rf {{}} + 2>/dev/null\n"
    )
