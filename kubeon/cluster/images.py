"""Images that are not needed any more."""

from collections.abc import Iterable

from kubeon.cluster.context import Cluster
from kubeon.hosts.host import Host

# kubeon made images of these names for API load balancers, until they ran official ones
_MADE_ONCE = frozenset({"localhost/local-haproxy", "localhost/apiserver-updater"})


def let_go(ctx: Cluster, host: Host, known: Iterable[str], keep: Iterable[str]) -> list[str]:
    """Leave other tags of the images in `known` to the kubelet, which collects what is not pinned. All but `keep`."""
    kept, repositories = set(keep), {reference.rpartition(":")[0] for reference in known} | _MADE_ONCE
    present = ctx.cri.parse_images(host.ask(ctx.cri.list_script(), what="list images"))
    old = [
        reference
        for reference, image in present.items()
        if image.pinned and reference not in kept and reference.rpartition(":")[0] in repositories
    ]
    if old:
        host.change(ctx.cri.unpin_script(old), what="unpin images")
    return old
