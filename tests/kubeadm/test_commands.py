"""kubeadm's command lines and tokens."""

from kubeon.kubeadm.commands import init_words, join_words, phase_words, reset_words, token_create_words
from kubeon.kubeadm.tokens import TOKEN, new_token


def test_tokens_have_kubeadms_form() -> None:
    """Six characters, a dot, sixteen characters; never the same."""
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(TOKEN.fullmatch(token) for token in tokens)


def test_init_never_uploads_certificates_nor_prints_the_token() -> None:
    """Certificates are put in place by kubeon."""
    words = init_words("/etc/kubernetes/kubeadm.yaml", ignore=("NumCPU", "Mem"), skip_phases=("addon/kube-proxy",))

    assert words == (
        *("kubeadm", "init", "--config", "/etc/kubernetes/kubeadm.yaml", "--skip-token-print"),
        *("--ignore-preflight-errors=Mem,NumCPU", "--skip-phases=addon/kube-proxy"),
    )


def test_join_without_exceptions_has_no_list() -> None:
    """An empty list would be refused."""
    assert join_words("/k.yaml") == ("kubeadm", "join", "--config", "/k.yaml")


def test_a_phase_is_a_path() -> None:
    """Phases of phases are words."""
    assert phase_words("init", "addon/coredns", "/k.yaml")[:5] == ("kubeadm", "init", "phase", "addon", "coredns")


def test_reset_asks_no_question() -> None:
    """There is nobody to answer."""
    assert reset_words("unix:///run/containerd/containerd.sock") == (
        *("kubeadm", "reset", "--force", "--cri-socket", "unix:///run/containerd/containerd.sock"),
    )


def test_a_token_is_created_from_a_file() -> None:
    """A process list shows no token."""
    assert token_create_words("/k.yaml") == (
        *("kubeadm", "token", "create", "--config", "/k.yaml", "--kubeconfig", "/etc/kubernetes/admin.conf"),
    )
