"""`destroy`."""

from kubeon.cluster.context import Step
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import cluster_to_clean
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.kube.kubeconfig_file import write_removed
from kubeon.operations.base import Confirm, DestroyResult, begun, make_plan, stays
from kubeon.phases.clean_host import CleanHost
from kubeon.preflight import Finding, Severity
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since


def destroy(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> DestroyResult:
    """Take the cluster off its hosts and forget it. A host that is not marked as this cluster's is not touched."""
    began = SYSTEM_CLOCK.monotonic()
    spec = home.known(name)
    phases: tuple[Step, ...] = (CleanHost(remove_packages=options.remove_packages),)
    with begun(home, name, "destroy", reporter, options) as run:
        seen = run.look(spec, options)
        ctx = cluster_to_clean(spec, seen, run.state, run.reporter, options.ignore_preflight_errors)
        left = tuple(
            Finding("Unreachable", str(error.host or address), Severity.WARNING, "it keeps what is on it")
            for address, error in seen.unreachable.items()
        )
        plan = make_plan(f"destroy cluster {name}", ctx, phases, left)
        plan.hosts["this machine"] = ("forget the cluster: its record, its keys, its entries in the kubeconfig",)
        if not confirm(plan):
            return DestroyResult(name)
        outcome = run.walk(phases, ctx, options, interrupt, f"Destroying {name}")
        outcome.raise_if_failed(AGAIN)
        if options.kubeconfig is not None:
            write_removed(options.kubeconfig, name)
        run.close()
        kept = run.state.keep_snapshots()
        run.state.remove()
        rest = (*stays(outcome), *((f"snapshots of etcd are kept: {kept}",) if kept else ()))
        return DestroyResult(name, tuple(outcome.changes), since(began), None, rest)
