"""Another API load balancer for a running cluster: installed beside the old one, probed, used; then the old one goes.

At each moment a node's line in /etc/hosts leads to somebody who answers: the new one is probed by its address before a
line is moved, and the old one stays until all lines are. Each phase looks at the host, so a run that was cut off
anywhere is taken up by the next, there or back.
"""

import shlex
from collections.abc import Sequence
from typing import ClassVar

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.images import let_go
from kubeon.cluster.proxy_hosts import ensure_proxy_follows
from kubeon.errors import CommandError, OperationError
from kubeon.hosts.files import File
from kubeon.hosts.host import Host
from kubeon.hosts.hosts_block import parse_block
from kubeon.hosts.preparation import hosts_script
from kubeon.kube.leases import wait_for_renewal
from kubeon.lb import LBS
from kubeon.lb.base import LoadBalancerMode
from kubeon.phases.apply_load_balancer import ApplyLoadBalancer, forget_programs, wait_for_workload
from kubeon.phases.import_images import ImportImages
from kubeon.phases.load_balancer import ANSWERS_WITHIN, PlaceLoadBalancer, wait_for_answer
from kubeon.phases.prepare_hosts import preparation_of
from kubeon.spec.model import ClusterSpec, NodeSpec
from kubeon.waiting import expect, wait_until

READY_WITHIN = 240  # seconds
GONE_WITHIN = 120  # seconds for what a load balancer ran on a host to end; the kubelet gives a pod half a minute
MANIFESTS = "/etc/kubernetes/manifests/"
_SYSTEM = ("/etc/kubernetes/manifests", "/etc/systemd/system")  # folders that are not a load balancer's own
# By its address, so that no line in /etc/hosts is needed yet; a token that is none, as in `external`.
_TRY = """\
said=$(kubectl --kubeconfig /dev/null --server https://{server} --tls-server-name {name} --token none \\
    --certificate-authority /etc/kubernetes/pki/ca.crt --request-timeout 5s get --raw /readyz 2>&1 >/dev/null) && exit 0
case $said in *orbidden* | *nauthorized*) exit 0 ;; esac
printf '%s\\n' "$said" | tail -n 1
exit 1
"""
# One that another unit starts is not enabled; one that waits to be started again is not active.
_STOP = """\
for unit in {units}; do
    case $(systemctl show -p ActiveState "$unit") in
        ActiveState=inactive | ActiveState=failed) ;;
        *) systemctl stop "$unit" && echo "$unit stopped" || exit ;;
    esac
    if [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ]; then
        systemctl disable --quiet "$unit" && echo "$unit disabled" || exit
    fi
done
"""
_REMOVE = """\
for path in {paths}; do
    [ ! -e "$path" ] || {{ rm -f "$path" && echo "removed $path"; }} || exit
done
"""
_REMOVE_FOLDERS = """\
for folder in {folders}; do rmdir "$folder" 2>/dev/null; done
systemctl daemon-reload
"""
_LISTENING = """\
for port in {ports}; do
    if timeout 2 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null; then echo "$port"; fi
done
"""
KUBERNETES = "kubernetes"  # a name that every API server's certificate has


def mode_of(spec: ClusterSpec) -> LoadBalancerMode:
    """The plug-in that a description names."""
    return LBS[spec.load_balancer.mode]


def leads_to(spec: ClusterSpec, node: NodeSpec) -> str:
    """host:port where a node finds the API by this description, without the help of its /etc/hosts."""
    lb = mode_of(spec)
    endpoint = lb.endpoint(spec)
    address = next((to for to, name in lb.hosts(spec, node) if name == endpoint.host), endpoint.host)
    return f"{address}:{endpoint.port}"


def problem_of(host: Host, spec: ClusterSpec, name: str) -> str:
    """Why no API server of this cluster that bears `name` answers a host by this load balancer; "" when one does."""
    script = _TRY.format(server=leads_to(spec, host.node), name=shlex.quote(name))
    try:
        host.ask(script, what="probe the API endpoint", wait=False)
    except CommandError as error:
        return error.why or "no answer"
    return ""


class ImportLoadBalancerImages(ImportImages):
    """Images of the new load balancer alone."""

    name = "bring-way"
    title = "Import the new load balancer's images"
    halts_on_failure = True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """It goes without saying."""
        return ()

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Where there are any."""
        if not ctx.material(host).images_for(host.node.role):
            return ()
        return super().run_on(ctx, host)


class PlaceOtherLoadBalancer(PlaceLoadBalancer):
    """Beside what is there, and without its line in /etc/hosts."""

    name = "place-way"
    title = "Install the new load balancer"
    halts_on_failure = True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What kind of thing."""
        return (f"place what mode {ctx.lb.name} has on a node",)


class ApplyOtherLoadBalancer(ApplyLoadBalancer):
    """What the new load balancer has in the cluster; its pods have to run before a node depends on them."""

    name = "apply-way"
    title = "Apply the new load balancer"
    needs: ClassVar[tuple[type[Step], ...]] = (ImportLoadBalancerImages,)
    halts_on_failure = True

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """By the one that people know."""
        workload = ctx.lb.workload(ctx.spec)
        return (f"create Service {workload.namespace}/{workload.service} and what belongs to it",) if workload else ()

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """As `create` does."""
        changes = super().run_on(ctx, host)
        wait_for_workload(ctx)
        return changes


class ProbeLoadBalancer(Step):
    """From every node, control planes too, before the first line is moved."""

    name = "try-way"
    title = "Probe the new load balancer"
    needs = (ImportLoadBalancerImages, PlaceOtherLoadBalancer, ApplyOtherLoadBalancer)
    halts_on_failure = True

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """A static pod takes a while, and so do rules of kube-proxy."""
        name = ctx.lb.endpoint(ctx.spec).host
        expect(
            lambda: problem_of(host, ctx.spec, name),
            f"the new API endpoint ({leads_to(ctx.spec, host.node)}) did not work",
            within=ANSWERS_WITHIN,
            hint=ctx.lb.where_to_look,
            host=host.name,
            longest=2.0,
        )
        return ()


class SwitchNode(Step):
    """The line in /etc/hosts, kube-proxy after it, and then the node has to be as well as before.

    One worker first, then a few at once. Where one fails, no other one is begun.
    """

    name = "take-way"
    title = "Switch the node over"
    needs = (ProbeLoadBalancer,)
    at_once = 5
    halts_on_failure = True

    def __init__(self, old: ClusterSpec) -> None:
        self.old = old

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """One of those that have most to lose."""
        return host is next((each for each in ctx.hosts if not ctx.is_control_plane(each)), None)

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """From where to where."""
        had = parse_block(host.facts.hosts_block, ctx.spec.name)
        wanted = preparation_of(ctx, host).entries
        if had == wanted:
            return ()
        was, name = leads_to(self.old, host.node), ctx.lb.endpoint(ctx.spec).host
        return (f"{name} leads to {leads_to(ctx.spec, host.node)}, not to {was} any more; kube-proxy follows",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What a unit of the old one writes into /etc/hosts it writes before it is stopped: so the line comes twice."""
        entries = preparation_of(ctx, host).entries
        lines = hosts_script(ctx.spec.name, entries)
        changes = host.change(lines, what="write /etc/hosts").splitlines()
        if units := self._units(host):
            script = _STOP.format(units=shlex.join(units))
            changes += host.change(script, what="stop the old load balancer's units").splitlines()
            changes += host.change(lines, what="write /etc/hosts").splitlines()
        wait_for_answer(ctx, host)
        changes += ensure_proxy_follows(ctx.api, host, ctx.spec.name, entries)
        ctx.api.wait_ready([host.name], seconds=READY_WITHIN)
        return changes

    def _units(self, host: Host) -> tuple[str, ...]:
        """All that the old load balancer may have running on this node."""
        lb = mode_of(self.old)
        return lb.cleaning().units if lb.units(self.old, host.node) else ()


class RemoveLoadBalancer(Step):
    """What the old load balancer has on a node, once no node uses it."""

    name = "remove-way"
    title = "Remove the old load balancer"

    def __init__(self, old: ClusterSpec) -> None:
        self.old = old

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Where it has something that the new one does not have, too."""
        return bool(self.paths(ctx, host))

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """At the end."""
        return (f"remove what mode {self.old.load_balancer.mode} has on it, when all nodes are through",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """The pod first, and what it reads when it is gone. Its image is the kubelet's to collect."""
        paths = self.paths(ctx, host)
        pods = [path for path in paths if path.startswith(MANIFESTS)]
        rest = [path for path in paths if path not in pods]
        changes = []
        if pods:
            changes += host.change(
                _REMOVE.format(paths=shlex.join(pods)), what="remove the old load balancer"
            ).splitlines()
            _wait_until_gone(host, mode_of(self.old).ports(self.old, host.node))
        if rest:
            folders = dict.fromkeys(path.rpartition("/")[0] for path in rest)
            script = _REMOVE.format(paths=shlex.join(rest))
            script += _REMOVE_FOLDERS.format(folders=shlex.join(each for each in folders if each not in _SYSTEM))
            changes += host.change(script, what="remove the old load balancer").splitlines()
        images = [image.reference for image in mode_of(self.old).images(self.old)]
        gone = let_go(ctx, host, images, [image.reference for image in ctx.lb.images(ctx.spec)])
        changes += [f"image {reference} unpinned" for reference in gone]
        wait_for_answer(ctx, host)
        return changes

    def paths(self, ctx: Cluster, host: Host) -> list[str]:
        """What goes: last written, first removed."""
        old = mode_of(self.old).files(self.old, host.node)
        return _without(_paths_of(old), _paths_of(ctx.lb.files(ctx.spec, host.node)))[::-1]


class RemoveObjects(Step):
    """What the old load balancer has in the cluster."""

    name = "remove-objects"
    title = "Remove the old load balancer's objects"

    def __init__(self, old: ClusterSpec) -> None:
        self.old = old

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Asked of the bootstrap node, where there is something that the new one does not have, too."""
        here, there = mode_of(self.old).workload(self.old), ctx.lb.workload(ctx.spec)
        return host is ctx.bootstrap and here is not None and there is None

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """By the one that people know."""
        workload = mode_of(self.old).workload(self.old)
        return (f"delete Service {workload.namespace}/{workload.service} and what belongs to it",) if workload else ()

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """All that kubeon has applied or created."""
        lb, servers = mode_of(self.old), [str(node.address) for node in self.old.control_planes]
        manifest = f"{lb.manifest(self.old)}---\n{lb.initial(self.old, servers)}"
        words = ("delete", "-f", "-", "--ignore-not-found")
        changes = ctx.api.run(*words, manifest=manifest, timeout=120).splitlines()
        if workload := lb.workload(self.old):
            forget_programs(ctx, workload)
        return changes


class VerifyLoadBalancer(Step):
    """Every kubelet has spoken to the API since the old load balancer is gone, and every node is Ready."""

    name = "verify-way"
    title = "Verify the new load balancer"
    needs = (RemoveLoadBalancer, RemoveObjects)

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Asked of the bootstrap node, about all."""
        return host is ctx.bootstrap

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """A kubelet renews its lease every ten seconds."""
        names = [each.name for each in ctx.hosts]
        wait_for_renewal(ctx.api, names, seconds=READY_WITHIN)
        ctx.api.wait_ready(names, seconds=READY_WITHIN)
        ctx.registered.update(names)
        return ()


def _wait_until_gone(host: Host, ports: Sequence[int]) -> None:
    """Until nobody listens there on loopback any more: then kubelet and kube-proxy connect again, by the new one."""
    script = _LISTENING.format(ports=" ".join(map(str, ports)))
    if not wait_until(
        lambda: not host.ask(script, what="look at the old load balancer's ports", wait=False).strip(),
        seconds=GONE_WITHIN,
        pause=0.3,
        longest=2.0,
    ):
        raise OperationError(
            f"the old load balancer still listens on port {' or '.join(map(str, ports))} after {GONE_WITHIN} s",
            hint="look at: crictl ps, and journalctl -u kubelet, on that host",
            host=host.name,
        )


def _without(some: Sequence[str], others: Sequence[str]) -> list[str]:
    return [each for each in some if each not in others]


def _paths_of(files: Sequence[File]) -> list[str]:
    return [file.path for file in files]
