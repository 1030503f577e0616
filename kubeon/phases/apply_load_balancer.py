"""What the API load balancer has in the cluster itself: a Service with a fixed address, and who keeps it up to date."""

from collections.abc import Collection, Sequence
from typing import ClassVar

from kubeon.cluster.context import Cluster, Step
from kubeon.errors import CommandError, OperationError
from kubeon.hosts.host import Host
from kubeon.kube.proxy import ensure_pings
from kubeon.lb.base import PROGRAM_DIGEST, Workload
from kubeon.phases.import_images import ImportImages
from kubeon.phases.init_control_plane import InitControlPlane
from kubeon.waiting import wait_until

AVAILABLE_WITHIN = 240  # seconds; a pod starts within ten, unless its node waits for a network plug-in's images
_ADDRESSES = r'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {.spec.clusterIP}{"\n"}{end}'
_SERVERS = "jsonpath={.endpoints[*].addresses[*]}"


class ApplyLoadBalancer(Step):
    """`kubectl apply`, and `kubectl create` of what is the workload's own from then on."""

    name = "apply-load-balancer"
    title = "Apply the API load balancer"
    # its pods may be started on any node, where nobody may be able to pull their image
    needs: ClassVar[tuple[type[Step], ...]] = (InitControlPlane, ImportImages)
    reaches_members = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """The bootstrap node, where the mode has something in the cluster."""
        return host is ctx.bootstrap and ctx.lb.workload(ctx.spec) is not None

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing where all is so already.

        `add` leaves members as they are, and brings images to new nodes alone. So where another kubeon made the
        Deployment it stays as it is, with the image that the members have.
        """
        workload = ctx.lb.workload(ctx.spec)
        if workload is None:
            return ()
        expect_address(ctx, workload)
        before = _running(ctx, workload)
        if host.name in ctx.members and before not in (None, (workload.image, workload.program)):
            name = f"{workload.namespace}/{workload.deployment}"
            text = f"{name} is another kubeon's and stays as it is; new nodes may not have its image"
            ctx.reporter.warn(f"{text}: kubeon create {ctx.spec.name} renews it everywhere", host=host.name)
            return ()
        changes = (*ctx.api.apply(ctx.lb.manifest(ctx.spec)), *_create_absent(ctx), *ensure_pings(ctx.api))
        if before and before[1] != workload.program:
            forget_programs(ctx, workload, keep=(before[1], workload.program))
        return changes


def wait_for_workload(ctx: Cluster) -> None:
    """Until one of its pods is available. Raises OperationError after a while."""
    workload = ctx.lb.workload(ctx.spec)
    if workload is None:
        return
    where, name = ("--namespace", workload.namespace), workload.deployment

    def available() -> bool:
        found = ctx.api.get("deployment", name, *where)
        return bool(found and found.get("status", {}).get("availableReplicas"))

    if not wait_until(available, seconds=AVAILABLE_WITHIN, pause=0.3, longest=1.0):
        raise OperationError(
            f"no pod of {workload.namespace}/{name} was available within {AVAILABLE_WITHIN} s",
            why="without it the load balancer does not follow control planes that come and go",
            hint=f"kubectl describe pods -n {workload.namespace} -l app.kubernetes.io/name={name}",
        )


def forget_programs(ctx: Cluster, workload: Workload, *, keep: Collection[str] = ()) -> None:
    """Delete programs of the workload; those that pods may yet be started with stay."""
    words = ("--namespace", workload.namespace, "--selector", f"app.kubernetes.io/name={workload.deployment}")
    kept = ",".join(f"metadata.name!={workload.deployment}-{each}" for each in keep if each)
    fields = ("--field-selector", kept) if kept else ()
    ctx.api.run("delete", "configmap", *words, *fields, "--ignore-not-found")


def expect_address(ctx: Cluster, workload: Workload) -> None:
    """Raise OperationError when the address is somebody else's, or when the Service has another one."""
    ours, address = f"{workload.namespace}/{workload.service}", workload.address
    lines = ctx.api.run("get", "services", "--all-namespaces", "-o", _ADDRESSES).splitlines()
    addresses = dict(line.split(" ", 1) for line in lines if " " in line)
    now = addresses.get(ours, address)
    if now != address:
        raise OperationError(
            f"Service {ours} has the cluster IP {now}, not {address}",
            why="the cluster IP of a Service cannot be changed",
            hint=f"if nothing uses it any more: kubectl delete service -n {workload.namespace} {workload.service}",
        )
    for service, taken in addresses.items():
        if taken == address and service != ours:
            raise OperationError(
                f"the cluster IP {address} is that of Service {service}",
                hint="give Service and API different addresses: that Service another one, or loadBalancer.address",
            )


def _running(ctx: Cluster, workload: Workload) -> tuple[str, str] | None:
    """Image and program of the Deployment's pods; None without one."""
    found = ctx.api.get("deployment", workload.deployment, "--namespace", workload.namespace)
    if not found:
        return None
    template = found["spec"]["template"]
    annotations = template["metadata"].get("annotations") or {}
    return str(template["spec"]["containers"][0]["image"]), str(annotations.get(PROGRAM_DIGEST, ""))


def _create_absent(ctx: Cluster) -> list[str]:
    """Those that are there stay as they are, whoever made them, a moment ago or long before."""
    look = ("get", "-f", "-", "--ignore-not-found", "-o", "name")
    wanted = ctx.lb.initial(ctx.spec, [ctx.bootstrap.address])
    there = ctx.api.run(*look, manifest=wanted).split()
    if len(there) == sum(line.startswith("kind: ") for line in wanted.splitlines()):
        return []
    # as the API servers themselves say: one that is to join yet would answer nobody
    known = ("get", "endpointslice", "kubernetes", "--namespace", "default", "--ignore-not-found", "-o", _SERVERS)
    servers = ctx.api.run(*known).split() or [ctx.bootstrap.address]
    wanted = ctx.lb.initial(ctx.spec, servers)
    try:
        ctx.api.run("create", "-f", "-", manifest=wanted)
    except CommandError as error:
        if not all("AlreadyExists" in line for line in error.why.splitlines()):
            raise
    return [f"{name} created" for name in ctx.api.run(*look, manifest=wanted).split() if name not in there]
