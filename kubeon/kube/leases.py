"""Leases of nodes: what a kubelet renews as long as it reaches the API."""

from collections.abc import Sequence

from kubeon.errors import OperationError
from kubeon.kube.kubectl import Kubectl
from kubeon.waiting import wait_until


def wait_for_renewal(api: Kubectl, names: Sequence[str], *, seconds: float) -> None:
    """Until each of these nodes has renewed its lease once more. Raises OperationError naming those that have not."""
    before = _renewed(api)
    late: list[str] = []

    def all_renewed() -> bool:
        now = _renewed(api)
        late[:] = [name for name in names if now.get(name) in (None, before.get(name))]
        return not late

    if not wait_until(all_renewed, seconds=seconds, pause=0.5, longest=2.0):
        raise OperationError(
            f"{len(late)} of {len(names)} kubelets did not report within {seconds:.0f} s",
            why=", ".join(late[:10]),
            hint="look at: journalctl -u kubelet on that node",
        )


def _renewed(api: Kubectl) -> dict[str, str]:
    leases = api.get("leases", "--namespace", "kube-node-lease") or {"items": []}
    return {each["metadata"]["name"]: str(each.get("spec", {}).get("renewTime", "")) for each in leases["items"]}
