"""Which version a cluster may go to next: Kubernetes' version skew policy, on what really runs.

Source: https://kubernetes.io/releases/version-skew-policy/. The API goes up one minor release at a time and never down;
a kubelet is never newer than an API server, and at most two minor releases older, three from 1.28 on.
"""

from collections.abc import Mapping

from kubeon.spec.versions import Version


def upgrade_problems(target: Version, api: Mapping[str, Version], kubelets: Mapping[str, Version]) -> list[str]:
    """Why a cluster cannot go to `target`, a sentence each; nothing when it can, or is there already.

    `api` has the version of each control plane's API server, `kubelets` that of each node's kubelet. They may differ:
    an upgrade may have been interrupted.
    """
    problems = []
    newer = {version for version in (*api.values(), *kubelets.values()) if version > target}
    if newer:
        who = _names({name: found for name, found in {**kubelets, **api}.items() if found > target})
        problems.append(f"{target} would be a downgrade: {max(newer)} runs already ({who}); Kubernetes cannot go back")
    oldest = min(api.values())
    if target.major != oldest.major or target.minor > oldest.minor + 1:
        behind = _names({name: found for name, found in api.items() if found == oldest})
        problems.append(
            f"{target} skips a minor release: API server {oldest} ({behind}); "
            f"v{oldest.major}.{oldest.minor + 1} comes first, with its newest patch release"
        )
    too_old = {name: found for name, found in kubelets.items() if target.minor - found.minor > _allowed(target)}
    if too_old and not newer:
        problems.append(
            f"kubelets would be more than {_allowed(target)} minor releases behind: {_names(too_old)}; "
            "the upgrade before this one has not come to its end there"
        )
    return problems


def _allowed(api: Version) -> int:
    return 3 if api.at_least(28) else 2


def _names(versions: Mapping[str, Version]) -> str:
    names = [f"{name} {version}" for name, version in sorted(versions.items())]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
