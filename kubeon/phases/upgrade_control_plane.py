"""Static pods of the new version: kubeadm on one control plane after the other, before any kubelet.

So no kubelet is ever newer than an API server, whichever one it asks.
"""

import re
import shlex
from collections.abc import Sequence
from contextlib import suppress

from kubeon.bundle.install import activate_script
from kubeon.cluster.apart import KUBECONFIG, apart_scripts
from kubeon.cluster.context import Cluster
from kubeon.cluster.etcd import wait_for_health
from kubeon.cluster.explain import explained
from kubeon.cluster.kubeadm import machine_checks
from kubeon.cluster.kubelet_settings import allow_cgroup_v1
from kubeon.cluster.membership import with_pressures
from kubeon.cluster.upgrade import UpgradeStep
from kubeon.errors import ClosedError, CommandError, KubeonError, OperationError
from kubeon.hosts.files import ensure_files_script
from kubeon.hosts.host import Host
from kubeon.hosts.marks import UPGRADED
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.versions import api_version
from kubeon.kubeadm.commands import upgrade_apply_words, upgrade_node_words
from kubeon.kubeadm.patches import patch_files, patch_flags
from kubeon.phases.upgrade_files import SnapshotBefore
from kubeon.waiting import expect, wait_until

TIMEOUT = 1500  # seconds; kubeadm gives each of four static pods five minutes
ANSWERS_WITHIN = 240  # seconds
TRIES = 3
# An API server that is told to stop answers for some seconds more (shutdown-delay-duration). kubeadm sees the new
# static pod meanwhile, goes on, and does not try again what is refused a moment later. It can be run again at any time.
_LOST = re.compile(
    r"connection re(fused|set)|client connection (lost|force closed)|\bEOF\b|TLS handshake timeout|GOAWAY"
)
# kubeadm's output goes into files: whoever loses its reader in the middle of moving manifests is killed by the next
# line it prints. So it comes to its end whatever becomes of kubeon, and a new run waits for that end.
_LOG = "/var/lib/kubeon/kubeadm-upgrade"
_KUBEADM = (
    f"log={_LOG}\n"
    + """\
: >$log.log >$log.err
{words} >>$log.log 2>>$log.err &
kubeadm=$!
tail -n +1 -s 0.2 -f --pid=$kubeadm $log.log 2>/dev/null || true
wait $kubeadm || {{ code=$?; tail -c 16384 $log.err >&2; exit $code; }}
"""
)


def kubeadm_upgrade(ctx: Cluster, host: Host, words: Sequence[str], *, before: str, after: str = "") -> None:
    """kubeadm between two scripts, to its end even when kubeon's connection is lost.

    When it lost its API server on the way it is run again as soon as that one answers. Raises CommandError.
    """
    api = Kubectl(host) if ctx.is_control_plane(host) else ctx.api
    script = before + _KUBEADM.format(words=shlex.join(words)) + after

    def note(line: str) -> None:
        if line.startswith("["):
            ctx.reporter.note(line, host=host.name)

    def run() -> None:
        for left in reversed(range(TRIES)):
            try:
                host.change(script, timeout=TIMEOUT, what="kubeadm upgrade", on_line=note)
            except CommandError as error:
                if not left or not _LOST.search(error.why) or not wait_until(api.answers, seconds=ANSWERS_WITHIN):
                    raise
                ctx.reporter.note("kubeadm lost the connection to the API server: trying again", host=host.name)
            else:
                return

    try:
        with explained(ctx, host):
            run()
    except CommandError as error:
        error.why = with_pressures(error.why, api)  # kubeadm's own health check is a Job
        raise


class UpgradeControlPlane(UpgradeStep):
    """`kubeadm upgrade apply` on the first one, `kubeadm upgrade node` on the others."""

    name = "upgrade-control-plane"
    title = "Upgrade the control plane"
    needs = (SnapshotBefore,)
    at_once = 1
    halts_on_failure = True

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Control planes."""
        return ctx.is_control_plane(host)

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """The others follow what the first one has written into the cluster."""
        return host is ctx.bootstrap

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Which of the two it will be."""
        if host.name in self.work.upgraded:
            return ()
        return (f"kubeadm upgrade {_words(ctx, host)[2]}: static pods {ctx.spec.version}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Nothing where kubeadm came to its end; else kubeadm, and its API server and etcd have to answer after."""
        # kubeadm hands this on to each node that it upgrades, also where a run before has upgraded this one
        changes = allow_cgroup_v1(ctx) if host is ctx.bootstrap else []
        if self._is_done(ctx, host):
            return changes
        kubeadm = {a: ctx.store.members(a) for a in ctx.material(host).files if a.name == "kubeadm"}
        script = activate_script({path: m for members in kubeadm.values() for path, m in members.items()})
        script += ensure_files_script(patch_files(ctx.spec.kubernetes))
        apart, back = apart_scripts(ctx, host, longest=TIMEOUT, log=f"{_LOG}.log")
        note = f"echo {ctx.spec.version} >{UPGRADED}\n"
        words = _words(ctx, host, KUBECONFIG if apart else "")
        kubeadm_upgrade(ctx, host, words, before=script + apart, after=back + note)
        _expect_answer(ctx, host)
        return (*changes, f"static pods {ctx.spec.version}")

    def _is_done(self, ctx: Cluster, host: Host) -> bool:
        remembered = host.read_files([UPGRADED]).get(UPGRADED, b"").decode().strip()
        if remembered != ctx.spec.version:
            return False
        with suppress(CommandError):
            return api_version(Kubectl(host)) == ctx.spec.kubernetes
        return False


def _words(ctx: Cluster, host: Host, kubeconfig: str = "") -> tuple[str, ...]:
    ignore, patches = machine_checks(ctx, host), patch_flags(ctx.spec.kubernetes)
    if host is ctx.bootstrap:
        return upgrade_apply_words(ctx.spec.version, ignore=ignore, patches=patches, kubeconfig=kubeconfig)
    return upgrade_node_words(ignore=ignore, patches=patches, kubeconfig=kubeconfig)


def _expect_answer(ctx: Cluster, host: Host) -> None:
    def why_not() -> str:
        try:
            why = Kubectl(host).why_not()
            version = None if why else api_version(Kubectl(host))
        except ClosedError:
            raise
        except KubeonError as error:
            return error.why or error.what
        return why or ("" if version == ctx.spec.kubernetes else f"it is {version}")

    expect(
        why_not,
        f"its API server does not answer as {ctx.spec.version}",
        within=ANSWERS_WITHIN,
        hint="look at: crictl ps -a --name kube-apiserver, and its logs, on that host",
        host=host.name,
    )
    members = wait_for_health(ctx)
    if ill := [member.title for member in members if not member.healthy]:
        raise OperationError(f"members of etcd do not answer: {', '.join(ill)}", host=host.name)
