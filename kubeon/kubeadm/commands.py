"""kubeadm's command lines, as words. Tokens travel in configuration files: a process list shows none.

`ignore` names preflight checks that may fail; every one of these commands takes it, in every release that kubeon knows.
"""

from collections.abc import Sequence

from kubeon.spec.versions import Version


def init_words(config: str, *, ignore: Sequence[str] = (), patches: Sequence[str] = ()) -> tuple[str, ...]:
    """`kubeadm init` with the configuration file `config`."""
    return ("kubeadm", "init", "--config", config, "--skip-token-print", *_ignoring(ignore), *patches)


def join_words(config: str, *, ignore: Sequence[str] = (), patches: Sequence[str] = ()) -> tuple[str, ...]:
    """`kubeadm join`, of a worker or a control plane: the configuration file tells."""
    return ("kubeadm", "join", "--config", config, *_ignoring(ignore), *patches)


def upgrade_apply_words(
    version: str, *, ignore: Sequence[str] = (), patches: Sequence[str] = (), kubeconfig: str = ""
) -> tuple[str, ...]:
    """`kubeadm upgrade apply`, on the first control plane, without a question; certificates stay as they are."""
    unstable = ("--allow-experimental-upgrades",) if Version.parse(version).is_pre_release else ()
    words = ("kubeadm", "upgrade", "apply", version, "--yes", "--certificate-renewal=false", *unstable)
    return (*words, *_kubeconfig(kubeconfig), *_ignoring(ignore), *patches)


def upgrade_node_words(
    *, ignore: Sequence[str] = (), patches: Sequence[str] = (), kubeconfig: str = ""
) -> tuple[str, ...]:
    """`kubeadm upgrade node`, on every other node; certificates stay as they are."""
    words = ("kubeadm", "upgrade", "node", "--certificate-renewal=false")
    return (*words, *_kubeconfig(kubeconfig), *_ignoring(ignore), *patches)


def _kubeconfig(path: str) -> tuple[str, ...]:
    """Without one it is admin.conf, on workers kubelet.conf."""
    return (f"--kubeconfig={path}",) if path else ()


def _ignoring(checks: Sequence[str]) -> tuple[str, ...]:
    """kubeadm takes "all" alone or names, not both."""
    if not checks:
        return ()
    everything = any(name.lower() == "all" for name in checks)
    return ("--ignore-preflight-errors=" + ("all" if everything else ",".join(sorted(checks))),)
