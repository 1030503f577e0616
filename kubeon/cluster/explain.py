"""Why kubeadm failed: asked of the host at once, put before kubeadm's own words. All that was found is in the log."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kubeon.cluster.context import Cluster
from kubeon.errors import CommandError, KubeonError
from kubeon.hosts.failure import SECONDS, failure_script, parse_failure
from kubeon.hosts.host import BUSY, Host
from kubeon.kubeadm.checks import failed_checks
from kubeon.kubeadm.failure import reason_of, told, what_counts
from kubeon.printable import printable
from kubeon.waiting import SYSTEM_CLOCK


@contextmanager
def explained(ctx: Cluster, host: Host) -> Iterator[None]:
    """Around whatever runs kubeadm on a host. What cannot be found out hides nothing of what kubeadm has said."""
    began = SYSTEM_CLOCK.monotonic()
    try:
        yield
    except CommandError as error:
        if error.command_exit_code != BUSY:  # then kubeadm has not been run
            for line in error.said.splitlines():
                ctx.reporter.note(f"kubeadm: {line}", host=host.name)
            error.why = what_counts(error.said)
            if failed := failed_checks(error.said):
                error.hint = f"what you know to be harmless: --ignore-preflight-errors {','.join(failed)}"
            with suppress(KubeonError):
                _explain(ctx, host, error, SYSTEM_CLOCK.monotonic() - began + 1)
        raise


def _explain(ctx: Cluster, host: Host, error: CommandError, since: float) -> None:
    script = failure_script(since)
    answer = host.ask(script, timeout=SECONDS, what="look why kubeadm failed", wait=False, again=False)
    seen = parse_failure(printable(answer), since)
    for program, line in told(seen):
        ctx.reporter.note(f"{program}: {line}", host=host.name)
    if reason := reason_of(seen):
        error.why = f"{reason.what}\n{error.why}"
        error.hint = f"{reason.hint}; then the same command again"
