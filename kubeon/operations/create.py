"""`create` and `preflight`."""

from dataclasses import replace

from kubeon.cluster.marks import adopted_members
from kubeon.cluster.options import AGAIN, Options
from kubeon.cluster.resolve import check_hosts, expect_version, resolve
from kubeon.engine.events import Reporter
from kubeon.engine.interrupt import Interrupt
from kubeon.kube.kubeconfig_file import check_mergeable
from kubeon.operations.again import check_again
from kubeon.operations.base import Confirm, CreateResult, begun, commit, make_plan, named, names_in, node_results
from kubeon.operations.pending import Kind, expect_none
from kubeon.operations.steps import CREATE
from kubeon.preflight import Finding, Severity, raise_on_errors
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import same_programs
from kubeon.state.home import Home
from kubeon.waiting import SYSTEM_CLOCK, since


def create(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
    confirm: Confirm,
    *,
    interrupt: Interrupt | None = None,
) -> CreateResult:
    """Make the cluster, or what is missing of it. Changes nothing before `confirm` has said yes."""
    began = SYSTEM_CLOCK.monotonic()
    with begun(home, spec.name, "create", reporter, options) as run:
        stored, pending = run.state.read_spec(), run.state.read_proposed()
        if pending is None or not same_programs(spec, pending):  # `create` exchanges components, too, and goes on
            expect_none(run.state, Kind.UPGRADE)
        check_again(stored, spec)
        spec = named(spec, names_in(stored))
        seen = run.look(spec, options)
        findings = check_hosts(spec, seen, run.state, options.ignore_preflight_errors)
        raise_on_errors(findings)
        warnings = tuple(one for one in findings if one.severity is Severity.WARNING)
        spec = named(spec, {host.address: host.name for host in seen.hosts})
        ctx = resolve(spec, seen.hosts, run.state, run.reporter, ignored=options.ignore_preflight_errors)
        ctx.members = adopted_members(ctx, seen.hosts)
        ctx.registered |= ctx.members  # they have to be Ready, and no more
        expect_version(ctx)
        if options.kubeconfig is not None:
            check_mergeable(options.kubeconfig, spec.name, ctx.ca.ca.pem.decode())
        plan = make_plan(f"create cluster {spec.name}, Kubernetes {spec.version}", ctx, CREATE, warnings)
        if not confirm(plan):
            return CreateResult(spec.name, changed=False)
        ctx.commit_identity()
        run.state.write_proposed(spec)
        outcome = run.walk(CREATE, ctx, options, interrupt, f"Creating {spec.name}")
        outcome.raise_if_failed(AGAIN)
        kubeconfig = commit(ctx, spec, options, merge=True)
        changed = outcome.changed or stored != spec
        return CreateResult(spec.name, changed, node_results(ctx, ctx.hosts), since(began), kubeconfig, run.log)


def preflight(
    spec: ClusterSpec,
    options: Options,
    home: Home,
    reporter: Reporter,
) -> list[Finding]:
    """Look at hosts, network and material; change nothing anywhere.

    Raises StateError while CAs are rotated, as `create` and `add` do: hosts bear two marks.
    """
    with begun(home, spec.name, "preflight", reporter, replace(options, dry_run=True)) as run:
        spec = named(spec, names_in(run.state.read_spec()))
        seen = run.look(spec, options)
        return check_hosts(spec, seen, run.state, options.ignore_preflight_errors)
