"""What is in the cluster's images: a release's programs under the names that kubeadm and upstream give them."""

from pathlib import Path

from tests.lab.mirror import debian
from tests.lab.mirror.images import Recipe, with_libraries
from tests.lab.mirror.parts import Parts, images
from tests.lab.mirror.store import Log

# Not kubeadm's: for tests that want a pod of their own.
BUSYBOX = "docker.io/library/busybox:1.35"
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


def recipes(release: str, parts: Parts, log: Log = print) -> dict[str, Recipe]:
    """Every image of a release with its full upstream name."""
    busybox = debian.unpacked(debian.BUSYBOX, log) / "bin/busybox"
    fixed = {
        "kube-proxy": _proxy(parts.kubernetes, busybox, log),
        "etcd": Recipe(with_libraries({f"/usr/local/bin/{path.name}": path for path in parts.etcd})),
        "coredns": Recipe({"/coredns": parts.coredns}, ["/coredns"]),
    }
    found = {}
    for reference in images(parts.kubernetes, release):
        name, _, tag = reference.rpartition("/")[2].partition(":")
        if name == "pause":
            found[reference] = Recipe({"/pause": parts.pause(tag)}, ["/pause"])
        else:
            found[reference] = fixed.get(name) or Recipe({f"/usr/local/bin/{name}": parts.kubernetes / name})
    found[BUSYBOX] = Recipe(
        {"/bin/busybox": busybox}, ["/bin/busybox", "sh"], {f"/bin/{a}": "busybox" for a in APPLETS}
    )
    found |= {name: Recipe({f"/{path.name}": path}, [f"/{path.name}"]) for name, path in parts.images.items()}
    return found


def _proxy(programs: Path, busybox: Path, log: Log) -> Recipe:
    """kube-proxy calls iptables, nft, ipset and conntrack: Debian's, of the nft flavour as on the lab's hosts."""
    tools = debian.unpacked(debian.PROXY, log)
    called = ("xtables-nft-multi", "nft", "conntrack", "ipset")
    files = {
        "/usr/local/bin/kube-proxy": programs / "kube-proxy",
        "/bin/busybox": busybox,
        **{f"/usr/sbin/{name}": tools / "usr/sbin" / name for name in called},
        **{
            f"/usr/lib/x86_64-linux-gnu/xtables/{path.name}": path
            for path in (tools / "usr/lib/x86_64-linux-gnu/xtables").glob("*.so")
        },
    }
    names = [f"{family}{suffix}" for family in IPTABLES for suffix in ("", "-save", "-restore")]
    links = {f"/usr/sbin/{name}": "xtables-nft-multi" for name in names}
    links |= {"/bin/sh": "busybox", "/etc/ethertypes": "/dev/null"}
    return Recipe(with_libraries(files, tools), links=links, folders=("/tmp", "/run"))
