"""etcd's own tool for snapshots, on hosts whose image of etcd lacks it: looked for before anything is touched."""

from kubeon.bundle.catalogue import etcdutl
from kubeon.bundle.install import lacking_script
from kubeon.bundle.store import Store
from kubeon.cluster.artifacts import send
from kubeon.engine.events import Reporter
from kubeon.errors import BundleError
from kubeon.hosts.host import Host
from kubeon.spec.releases import numbers


def ensure_etcdutl(host: Host, inside: str, version: str, store: Store, reporter: Reporter) -> list[str]:
    """Bring etcdutl of this version of etcd, where only it can do, and it is not there. Says what was brought.

    `inside` is a script that succeeds where the image has it.
    """
    try:
        wanted = numbers(version)
    except ValueError:  # an image of somebody's own: what it has it has
        return []
    if wanted < (3, 6, 0):  # etcdctl does it
        return []
    if host.ask(f"if (\n{inside}) >/dev/null 2>&1; then echo there; fi\n", what="look for etcdutl").strip():
        return []
    artifact = etcdutl(".".join(map(str, wanted)), host.facts.architecture)
    try:
        members = store.members(artifact)
    except BundleError as error:
        error.what = f"the image of etcd {version} has no etcdutl, and it cannot be had otherwise: {error.what}"
        raise
    if not host.ask(lacking_script(members), what="look for etcdutl").strip():
        return []
    return [f"{send(host, store, artifact, members, reporter)}, which the image of etcd lacks"]
