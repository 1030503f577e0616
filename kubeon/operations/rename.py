"""`rename`: a cluster under another name, here and in the marks of its hosts.

The record is copied under its new name and the old one removed; a note in both keeps other operations away from the
moment the first host may bear the new name until all is over. So the same command finishes what was cut off anywhere.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.look import Seen
from kubeon.cluster.marks import mark_of
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import authorities_of, context_of
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.errors import PreflightError, StateError, UsageError
from kubeon.hosts.host import Host
from kubeon.kube.kubeconfig_file import check_renamable, write_renamed
from kubeon.operations.base import Confirm, Plan, Run, begun, make_plan
from kubeon.operations.pending import Kind, committed, expect_none
from kubeon.phases.rename_host import RenameHost
from kubeon.preflight import Finding, Severity
from kubeon.state.cluster import ClusterState
from kubeon.state.home import Home
from kubeon.state.renaming import copy_record, renamed
from kubeon.waiting import SYSTEM_CLOCK, since


@dataclass(frozen=True)
class RenameResult:
    """What `rename` came to: the new name, the old one, and the hosts that bear the new one."""

    cluster: str
    was: str
    hosts: tuple[str, ...] = ()
    seconds: float = 0.0


def rename(
    name: str,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    new: str,
    interrupt: Interrupt | None = None,
) -> RenameResult:
    """Give a cluster another name. Its hosts have to be reached; nothing on them but marks changes."""
    began = SYSTEM_CLOCK.monotonic()
    other = home.cluster(new)
    if name == new:
        raise UsageError(f"{name} is its name already")
    finishing = other.renaming == (name, new)
    if finishing and name not in home.clusters():  # it was cut off at the very end
        if not confirm(Plan(f"rename cluster {name} to {new}", ("its hosts bear the new name; finish it here",), {})):
            return RenameResult(new, name)
        with other.lock("rename", SYSTEM_CLOCK.now()):
            _finish_here(home, name, other, options)
        return RenameResult(new, name, (), since(began))
    home.known(name)
    if other.read_known() is not None and not finishing:
        raise StateError(f"there is a cluster {new} already", hint="choose another name; kubeon list shows all")
    locked = nullcontext() if options.dry_run else other.lock("rename", SYSTEM_CLOCK.now())
    with begun(home, name, "rename", reporter, options) as run, locked:
        try:
            hosts = _rename(run, other, options, confirm, interrupt)
            if hosts is not None:
                _finish_here(home, name, other, options)
                run.write_down("ok", state=other)
        finally:
            if not other.exists and not other.renaming and not options.dry_run:
                other.remove()  # the folder of the lock
        return RenameResult(new, name, hosts or (), since(began))


def _rename(
    run: Run, other: ClusterState, options: Options, confirm: Confirm, interrupt: Interrupt | None
) -> tuple[str, ...] | None:
    """The hosts that bear the new name now, and so does the copy of the record. None: not confirmed."""
    old, new = run.state.name, other.name
    if run.state.renaming not in (None, (old, new)):
        expect_none(run.state, Kind.RENAME)
    spec = committed(run.state)
    if options.kubeconfig is not None:
        check_renamable(options.kubeconfig, old, new)
    seen = run.look(run.state.read_known() or spec, options)
    ctx, left = _context(run, seen, new)
    steps: tuple[Step, ...] = (RenameHost(old),)
    plan = make_plan(f"rename cluster {old} to {new}", ctx, steps, tuple(left))
    plan.hosts["this machine"] = (f"the record, the current cluster and the entries in the kubeconfig: {old} -> {new}",)
    if not confirm(plan):
        return None
    run.state.write_renaming((old, new))
    outcome = run.walk(steps, ctx, options, interrupt, f"Renaming {old}")
    outcome.raise_if_failed(AGAIN)
    other.write_renaming((old, new))
    copy_record(run.state, other)
    return tuple(host.name for host in ctx.hosts)


def _context(run: Run, seen: Seen, new: str) -> tuple[Cluster, list[Finding]]:
    """Hosts that bear this cluster's mark under either name; a warning for each other one, which is left alone."""
    old, spec = run.state.name, run.state.read_known()
    assert spec is not None  # noqa: S101 - the caller has read it
    if seen.unreachable:
        raise PreflightError(
            f"{len(seen.unreachable)} of {len(spec.nodes)} hosts cannot be reached; nothing was changed",
            why="\n".join(map(str, seen.unreachable.values())),
            hint=f"each host bears the cluster's name; of one that is gone for good: kubeon del {old} @NAME --dead",
        )
    ctx = context_of(renamed(spec, new), (), run.state, run.reporter)
    ctx.authorities = authorities_of(ctx)
    if ctx.authorities is None:
        hint = f"kubeon create -f with the cluster's description rebuilds the record of {old}"
        raise StateError(f"the record of cluster {old} has no certificates", hint=hint)
    marks = {mark_of(old, ctx.ca), mark_of(new, ctx.ca)}
    ctx.hosts = tuple(host for host in seen.hosts if host.facts.mark in marks)
    return ctx, _strangers([host for host in seen.hosts if host not in ctx.hosts])


def _strangers(hosts: Sequence[Host]) -> list[Finding]:
    what = "it does not bear this cluster's mark: it is left alone"
    return [Finding("AnotherCluster", host.name, Severity.WARNING, what) for host in hosts]


def _finish_here(home: Home, old: str, other: ClusterState, options: Options) -> None:
    """This machine: the current cluster, the kubeconfig, and then the old record goes."""
    if home.current == old:
        home.use(other.name)
    if options.kubeconfig is not None:
        write_renamed(options.kubeconfig, old, other.name)
    home.cluster(old).remove()
    other.write_renaming(None)
