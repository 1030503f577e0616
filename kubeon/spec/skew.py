"""Which version a cluster may go to next: Kubernetes' version skew policy, and etcd's, on what really runs.

Source: https://kubernetes.io/releases/version-skew-policy/. The API goes up one minor release at a time and never down;
a kubelet is never newer than an API server, and at most two minor releases older, three from 1.28 on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubeon.spec.releases import numbers
from kubeon.spec.versions import Version


def upgrade_problems(target: Version, api: Mapping[str, Version], kubelets: Mapping[str, Version]) -> list[str]:
    """Why a cluster cannot go to `target`, a sentence each; nothing when it can, or is there already.

    `api` has the version of each control plane's API server, `kubelets` that of each node's kubelet. They may differ:
    an upgrade may have been interrupted.
    """
    problems = []
    newer = {version for version in (*api.values(), *kubelets.values()) if version > target}
    if newer:
        who = _listed({name: found for name, found in {**kubelets, **api}.items() if found > target})
        problems.append(f"{target} would be a downgrade: {max(newer)} runs already ({who}); Kubernetes cannot go back")
    oldest = min(api.values())
    if target.major != oldest.major or target.minor > oldest.minor + 1:
        behind = _listed({name: found for name, found in api.items() if found == oldest})
        problems.append(
            f"{target} skips a minor release: API server {oldest} ({behind}); "
            f"v{oldest.major}.{oldest.minor + 1} comes first, with its newest patch release"
        )
    too_old = {name: found for name, found in kubelets.items() if target.minor - found.minor > _allowed(target)}
    if too_old and not newer:
        problems.append(
            f"kubelets would be more than {_allowed(target)} minor releases behind: {_listed(too_old)}; "
            "the upgrade before this one is not finished there"
        )
    return problems


def _allowed(api: Version) -> int:
    return 3 if api.at_least(28) else 2


def _listed(versions: Mapping[str, object]) -> str:
    names = [f"{name} {version}" for name, version in sorted(versions.items())]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


@dataclass(frozen=True)
class _Step:
    """What etcd's members have to be before the first one of the next minor release starts beside them."""

    least: tuple[int, int, int]  # before it the step is known to fail
    safe: tuple[int, int, int]  # what etcd's own guide asks for
    why: str


# By the release that comes. kubeadm of 1.33 brings 3.5.24 at most and that of 1.36 had 3.6.8 until 1.36.3 at least, so
# nearly every cluster would be refused if `safe` were a condition; both steps are seen to go well on healthy members.
# https://etcd.io/blog/2025/upgrade_from_3.5_to_3.6_issue, https://etcd.io/blog/2025/zombie_members_upgrade,
# https://etcd.io/docs/v3.7/upgrades/upgrade_3_7, kubernetes/kubernetes#138746
_ETCD_STEPS = {
    (3, 6): _Step(
        *((3, 5, 20), (3, 5, 26)),
        "members that were removed from older clusters may come back as members that never answer",
    ),
    (3, 7): _Step((3, 6, 0), (3, 6, 11), "older ones may not work beside members of 3.7"),
}


def etcd_problems(target: str, running: Mapping[str, str]) -> tuple[str, str]:
    """What speaks against bringing members of etcd, by name with their versions, to `target`: for sure, and perhaps.

    "" where nothing does. Members that have the release of `target` already are not looked at.
    """
    wanted = numbers(target)
    step = _ETCD_STEPS.get(wanted[:2])
    before = {name: version for name, version in running.items() if numbers(version)[:2] == (3, wanted[1] - 1)}
    if step is None or not before:
        return "", ""
    old = {name: version for name, version in before.items() if numbers(version) < step.least}
    if old:
        return f"etcd {_dotted(wanted)} needs members of {_dotted(step.least)} or newer: {_listed(old)}", ""
    unsafe = {name: version for name, version in before.items() if numbers(version) < step.safe}
    if not unsafe:
        return "", ""
    return "", f"etcd asks for {_dotted(step.safe)} or newer before {_dotted(wanted)}: {step.why}; {_listed(unsafe)}"


_BECAME_FEATURES = {
    "initial-corrupt-check": "InitialCorruptCheck",
    "compact-hash-check-enabled": "CompactHashCheck",
    "enable-lease-checkpoint": "LeaseCheckpoint",
    "enable-lease-checkpoint-persist": "LeaseCheckpointPersist",
    "stop-grpc-service-on-defrag": "StopGRPCServiceOnDefrag",
    "txn-mode-write-with-shared-buffer": "TxnModeWriteWithSharedBuffer",
    "set-member-localaddr": "SetMemberLocalAddr",
}
_EXPERIMENTAL = "experimental-"


def removed_etcd_flags(target: str, flags: Iterable[str]) -> dict[str, str]:
    """Flags that etcd `target` does not know any more and would end at, each with what is in its place since 3.6.

    All that begin with --experimental- went with 3.7 (etcd-io/etcd#19959): into features, or that word was dropped.
    """
    if numbers(target)[:2] < (3, 7):
        return {}
    old = [flag for flag in flags if flag.startswith(_EXPERIMENTAL)]
    bare = {flag: flag.removeprefix(_EXPERIMENTAL) for flag in old}
    return {
        flag: f"--feature-gates={_BECAME_FEATURES[name]}=..." if name in _BECAME_FEATURES else f"--{name}"
        for flag, name in bare.items()
    }


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))
