"""etcd's files made small again, one member at a time."""

from collections.abc import Mapping, Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.etcd import wait_for_health
from kubeon.errors import OperationError
from kubeon.etcd.members import Member, member_at
from kubeon.etcd.status import MemberStatus
from kubeon.hosts.host import Host

TIMEOUT = 600  # seconds for one member; some 10 s for a GB


class Defragment(Step):
    """A member serves nobody meanwhile: so one at a time, only while all answer, and the leader last."""

    name = "defragment"
    title = "Defragment etcd"
    at_once = 1

    def __init__(self, members: Sequence[Member], statuses: Mapping[int, MemberStatus]) -> None:
        self.members, self.statuses = members, statuses
        self.sizes: list[tuple[str, int, int]] = []  # node, bytes before, bytes after

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """All but the leader."""
        status = self._status(host)
        return status is None or status.leader != status.id

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """What there is to gain."""
        status = self._status(host)
        if status is None:
            return ("defragment",)
        what = f"defragment {status.db_size / 1e6:.1f} MB, of which {status.in_use / 1e6:.1f} MB are in use"
        return (what + (" (leader: last)" if status.leader == status.id else ""),)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Asked of one control plane, about this host's member."""
        if silent := [member.title for member in wait_for_health(ctx) if not member.healthy]:
            raise OperationError(
                f"the member on {host.name} is left as it is", why=f"{', '.join(silent)} of etcd does not answer"
            )
        member = member_at(self.members, host.address)
        assert member is not None  # noqa: S101 - the lanes are those of members
        before = self._size(ctx, member)
        ctx.etcd.defragment(member, seconds=TIMEOUT)
        wait_for_health(ctx)
        after = self._size(ctx, member)
        self.sizes.append((host.name, before, after))
        return (f"{before / 1e6:.1f} MB -> {after / 1e6:.1f} MB",) if after != before else ()

    def _size(self, ctx: Cluster, member: Member) -> int:
        return next((each.db_size for each in ctx.etcd.statuses(member.client_urls[:1])), 0)

    def _status(self, host: Host) -> MemberStatus | None:
        member = member_at(self.members, host.address)
        return self.statuses.get(member.id) if member else None
