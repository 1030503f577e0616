"""What each host should hold at each stage of a rotation of CAs, and what is done in the cluster between them.

    trust   every host trusts old and new CAs, and so do pods; certificates are from the old ones
    issue   control planes get certificates from the new ones, then workers, which forget the old ones at once
    drop    control planes forget the old ones, and the hosts' mark names the new one

At each moment everybody trusts what everybody else shows, so one host after the other can go on.
"""

from collections.abc import Sequence
from dataclasses import replace

from kubeon.cluster.context import Cluster
from kubeon.cluster.leaves import SIGNING_CA, Due, Wanted, due_leaves
from kubeon.cluster.marks import mark_of
from kubeon.cluster.restarts import owed
from kubeon.errors import OperationError
from kubeon.hosts.host import Host
from kubeon.hosts.marks import MARKER
from kubeon.kube.trusted import (
    SYSTEM,
    forget_published_authorities,
    publish_cluster_info,
    restart_workloads,
    wait_for_root_ca,
    workloads,
)
from kubeon.pki.authorities import Authorities
from kubeon.pki.leaves import PKI
from kubeon.state.rotation import Rotation, Stage

_SIGNING_FLAG = "cluster-signing-cert-file"
CA = "ca"


def authorities_at(rotation: Rotation) -> tuple[Authorities, Authorities]:
    """The CAs that sign at this stage with those trusted beside them: of control planes, and of workers."""
    old, new = Authorities.from_files(rotation.old), Authorities.from_files(rotation.new)
    if rotation.stage is Stage.TRUST:
        return old.trusting(new), old.trusting(new)
    return (new.trusting(old) if rotation.stage is Stage.ISSUE else new), new


def due_at(rotation: Rotation, ctx: Cluster, host: Host) -> Due:
    """What this host needs to be as everybody should be at this stage; asks it what it has."""
    of_control_planes, of_workers = authorities_at(rotation)
    control_plane = ctx.is_control_plane(host)
    authorities = of_control_planes if control_plane else of_workers
    wanted = {
        f"{PKI}/{name}": content
        for name, content in authorities.to_files().items()
        if control_plane or name == "ca.crt"
    }
    flags: dict[str, str] = {}
    gone: tuple[str, ...] = ()
    if control_plane and CA in rotation.names:
        several = rotation.stage is not Stage.DROP
        flags = {_SIGNING_FLAG: SIGNING_CA if several else f"{PKI}/ca.crt"}
        if several:
            wanted[SIGNING_CA] = authorities.ca.pem
        else:
            gone = (SIGNING_CA,)
    if rotation.stage is Stage.DROP:
        wanted[MARKER] = mark_of(ctx.spec.name, authorities).file().content.encode()
    found = host.read_files(wanted)
    changed = {path: content for path, content in wanted.items() if found.get(path) != content}
    leaves = due_leaves(ctx, host, authorities, Wanted())
    return replace(leaves, files=changed | dict(leaves.files), flags=flags, gone=gone, owed=owed(host))


def tell_the_cluster(ctx: Cluster, rotation: Rotation, *, everything: bool) -> list[str]:
    """Have joining nodes, pods and aggregated API servers trust what is to be trusted; what did not end well.

    Pods take it in when they start, so those of the system are started anew, one by one; with `everything` all that
    belong to a workload.
    """
    of_control_planes, _ = authorities_at(rotation)
    if CA in rotation.names:
        bundle = of_control_planes.ca.bundle
        publish_cluster_info(ctx.api, bundle)
        wait_for_root_ca(ctx.api, bundle)
    if rotation.stage is Stage.DROP:
        forget_published_authorities(ctx.api)
    if CA not in rotation.names:
        return []
    problems = []
    for namespace, names in workloads(ctx.api).items():
        if namespace != SYSTEM and not everything:
            continue
        ctx.reporter.note(f"restarting the pods of {len(names)} workloads in {namespace}")
        found = restart_workloads(ctx.api, namespace, names)
        if found and namespace == SYSTEM:
            raise OperationError(
                f"pods in {SYSTEM} did not come back with the CAs that are to be trusted",
                why="\n".join(found),
                hint=f"kubectl get pods -n {SYSTEM}; then the same command again",
            )
        problems += found
    return problems


def others(ctx: Cluster) -> Sequence[str]:
    """Workloads of users, which trust the CAs of their start until they are restarted, "namespace Kind/name" each."""
    return [
        f"{namespace} {name}"
        for namespace, names in workloads(ctx.api).items()
        if namespace != SYSTEM
        for name in names
    ]
