"""kubeadm's command lines, as words. Tokens travel in configuration files: a process list shows none."""

from collections.abc import Sequence

ADMIN_CONF = "/etc/kubernetes/admin.conf"
# Preflight checks of `kubeadm join` that object to what kubeon puts in place before (RunJoinNodeChecks in
# cmd/kubeadm/app/preflight/checks.go); the second is for workers, a control plane may have its CAs.
JOIN_IN_PLACE = ("FileAvailable--etc-kubernetes-kubelet.conf", "FileAvailable--etc-kubernetes-pki-ca.crt")


def init_words(
    config: str, *, ignore: Sequence[str] = (), skip_phases: Sequence[str] = (), patches: Sequence[str] = ()
) -> tuple[str, ...]:
    """`kubeadm init` with the configuration file `config`; `ignore` names preflight checks that may fail."""
    return ("kubeadm", "init", "--config", config, "--skip-token-print", *_lists(ignore, skip_phases), *patches)


def join_words(
    config: str, *, ignore: Sequence[str] = (), skip_phases: Sequence[str] = (), patches: Sequence[str] = ()
) -> tuple[str, ...]:
    """`kubeadm join`, of a worker or a control plane: the configuration file tells."""
    return ("kubeadm", "join", "--config", config, *_lists(ignore, skip_phases), *patches)


def phase_words(command: str, phase: str, config: str, *, ignore: Sequence[str] = ()) -> tuple[str, ...]:
    """One phase of `kubeadm init` or `kubeadm join`, by its path ("kubelet-start", "control-plane-join/etcd").

    Only the preflight phase takes `ignore`.
    """
    return ("kubeadm", command, "phase", *phase.split("/"), "--config", config, *_lists(ignore, ()))


def reset_words(cri_socket: str, *, ignore: Sequence[str] = ()) -> tuple[str, ...]:
    """`kubeadm reset` without a question. It also takes a control plane's member out of etcd, if it can."""
    return ("kubeadm", "reset", "--force", "--cri-socket", cri_socket, *_lists(ignore, ()))


def upgrade_apply_words(version: str, *, patches: Sequence[str] = ()) -> tuple[str, ...]:
    """`kubeadm upgrade apply`, on the first control plane, without a question; certificates stay as they are."""
    return ("kubeadm", "upgrade", "apply", version, "--yes", "--certificate-renewal=false", *patches)


def upgrade_node_words(*, patches: Sequence[str] = ()) -> tuple[str, ...]:
    """`kubeadm upgrade node`, on every other node; certificates stay as they are."""
    return ("kubeadm", "upgrade", "node", "--certificate-renewal=false", *patches)


def token_create_words(config: str, *, kubeconfig: str = ADMIN_CONF) -> tuple[str, ...]:
    """Create the join token that the InitConfiguration in the file `config` names (see `config.token_config`)."""
    return ("kubeadm", "token", "create", "--config", config, "--kubeconfig", kubeconfig)


def _lists(ignore: Sequence[str], skip_phases: Sequence[str]) -> tuple[str, ...]:
    words: list[str] = []
    if ignore:
        words.append("--ignore-preflight-errors=" + ",".join(sorted(ignore)))
    if skip_phases:
        words.append("--skip-phases=" + ",".join(skip_phases))
    return tuple(words)
