"""What is in the cluster's images: built programs and stand-ins under the names that kubeadm and upstream give them."""

from pathlib import Path

from tests.lab.mirror import debian, kubernetes
from tests.lab.mirror.images import Recipe, with_libraries
from tests.lab.mirror.store import Log

# Not kubeadm's: for tests that want a pod of their own, and the network plug-in that Debian does not package.
BUSYBOX = "docker.io/library/busybox:1.35"
NETWORK = "docker.io/lab/network:1"
APPLETS = (
    "cat",
    "hostname",
    "httpd",
    "id",
    "ip",
    "ls",
    "nc",
    "nslookup",
    "ping",
    "sh",
    "sleep",
    "tail",
    "true",
    "wget",
)
IPTABLES = ("iptables", "ip6tables")


def recipes(release: str, log: Log = print) -> dict[str, Recipe]:
    """Every image of a release with its full upstream name."""
    programs, own = kubernetes.build(release, log), kubernetes.standins(log)
    packages = debian.unpacked(debian.PROGRAMS, log)
    etcd = {f"/usr/local/bin/{name}": packages / "usr/bin" / name for name in ("etcd", "etcdctl")}
    fixed = {
        "kube-proxy": _proxy(programs, packages, log),
        "etcd": Recipe(with_libraries(etcd)),
        "coredns": Recipe({"/coredns": own / "coredns"}, ["/coredns"]),
        "pause": Recipe({"/pause": own / "pause"}, ["/pause"]),
    }
    found = {}
    for reference in kubernetes.images(programs, release):
        name = reference.rpartition("/")[2].partition(":")[0]
        found[reference] = fixed.get(name) or Recipe({f"/usr/local/bin/{name}": programs / name})
    busybox = packages / "bin/busybox"
    links = {f"/bin/{name}": "busybox" for name in APPLETS}
    found[BUSYBOX] = Recipe({"/bin/busybox": busybox}, ["/bin/busybox", "sh"], links)
    found[NETWORK] = Recipe({"/network": own / "network"}, ["/network"])
    return found


def _proxy(programs: Path, packages: Path, log: Log) -> Recipe:
    """kube-proxy calls iptables, ipset and conntrack: Debian's, of the nft flavour as on the lab's hosts."""
    tools = debian.unpacked(debian.PROXY, log)
    files = {
        "/usr/local/bin/kube-proxy": programs / "kube-proxy",
        "/bin/busybox": packages / "bin/busybox",
        **{f"/usr/sbin/{name}": tools / "usr/sbin" / name for name in ("xtables-nft-multi", "conntrack", "ipset")},
        **{
            f"/usr/lib/x86_64-linux-gnu/xtables/{path.name}": path
            for path in (tools / "usr/lib/x86_64-linux-gnu/xtables").glob("*.so")
        },
    }
    names = [f"{family}{suffix}" for family in IPTABLES for suffix in ("", "-save", "-restore")]
    links = {f"/usr/sbin/{name}": "xtables-nft-multi" for name in names}
    links |= {"/bin/sh": "busybox", "/etc/ethertypes": "/dev/null"}
    return Recipe(with_libraries(files, tools), links=links, folders=("/tmp", "/run"))
