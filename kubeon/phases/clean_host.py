"""A host as it was before kubeon came: for `destroy`, and for a node that leaves."""

import shlex
from collections.abc import Sequence
from importlib import resources

from kubeon.bundle.install import ASIDE, INSTALLED
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.marks import is_adopted, is_marked
from kubeon.hosts.host import Host
from kubeon.hosts.marks import ADOPTED, JOINED, MARKER
from kubeon.hosts.preparation import restore_script
from kubeon.lb import LBS

TIMEOUT = 600  # seconds
KUBERNETES_PATHS = (
    *("/var/lib/kubelet", "/var/lib/etcd", "/etc/cni/net.d", "/var/lib/cni", "/var/log/pods"),
    *(
        "/var/log/containers",
        "/usr/libexec/kubernetes",
        "/run/kubeon",
        "/etc/systemd/system/kubelet.service",
    ),
    *("/etc/systemd/system/kubelet.service.d", "/usr/local/lib/kubeon", JOINED),
    ADOPTED,
)
KUBELET_MOUNTS = (
    "/var/lib/kubelet/pods",
    "/var/lib/kubelet/plugins",
)  # it mounts volumes below these, and nowhere else
CHAINS = ("KUBE-", "CNI-", "KUBEON-")  # what kube-proxy, the kubelet, CNI plugins and kubeon name their chains
INTERFACES = ("kube-ipvs0", "nodelocaldns")
_NAME_PACKAGES = """
sed "s/^/${stays}package /;s/$/ stays: kubeon had installed it/" /var/lib/kubeon/found/packages-added 2>/dev/null
rm -f /var/lib/kubeon/found/packages-*
"""
_STAYS = "@@kubeon stays "  # before such a line in what the script prints


class Left(str):
    """A line that tells of something that was left on the host on purpose."""

    __slots__ = ()


class CleanHost(Step):
    """Take everything away that kubeon and Kubernetes put there, and put back what was found."""

    name = "clean-host"
    title = "Clean the host"

    def __init__(self, *, remove_packages: bool = False) -> None:
        self.remove_packages = remove_packages

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Hosts that bear this cluster's mark, and no others: one that kubeon never touched stays untouched."""
        return is_marked(ctx, host)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What goes, what comes back, what stays."""
        lines = ["stop every pod, remove Kubernetes, its data and its network; put host settings back"]
        if host.facts.etcd_data:
            whole = "DELETE etcd's data: every object of the cluster"
            lines.insert(0, "delete its copy of etcd's data" if ctx.members else whole)
        if is_adopted(host):
            lines.append("keep packages of Kubernetes and of the runtime: kubeon did not install them")
        if "found/packages-added" in host.facts.records:
            lines.append(f"{'remove' if self.remove_packages else 'keep, and name,'} the packages kubeon installed")
        return lines

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The mark goes last: a run that was cut off is taken up again."""
        family = ctx.families.get(host.name) if self.remove_packages else None
        named = "" if family else _NAME_PACKAGES
        script = clean_script(ctx) + named + restore_script(ctx.spec.name, family) + "forget\n"
        lines = host.change(script, timeout=TIMEOUT, what="clean the host").splitlines()
        return [Left(line.removeprefix(_STAYS)) if line.startswith(_STAYS) else line for line in lines]


def clean_script(ctx: Cluster) -> str:
    """Everything but the settings of the host, for the plug-ins of a cluster; defines `forget` for the end."""
    # of all API load balancers: in the middle of a switch a host has something of two
    cri, left = ctx.cri.remains(), (*(lb.cleaning() for lb in LBS.values()), ctx.cni.cleaning())
    variables = {
        "units": " ".join(unit for each in left for unit in each.units),
        "script": "".join(each.script for each in left),
        "runtime_units": " ".join(cri.units),
        "processes": " ".join(cri.processes),
        "mounts": "|".join((*KUBELET_MOUNTS, *cri.mounts)),
        "interfaces": " ".join((*INTERFACES, *(name for each in left for name in each.interfaces))),
        "chains": "|".join(dict.fromkeys((*CHAINS, *(chain for each in left for _, chain in each.chains)))),
        "installed": INSTALLED,
        "aside": ASIDE,
        "paths": " ".join(
            dict.fromkeys((*(path for each in left for path in each.paths), *KUBERNETES_PATHS, *cri.paths))
        ),
        "login_key": ctx.public_key,
        "marker": MARKER,
        "stays": _STAYS,
    }
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    return head + resources.files("kubeon.phases").joinpath("clean_host.sh").read_text(encoding="utf-8")
