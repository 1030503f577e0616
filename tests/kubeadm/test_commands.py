"""kubeadm's command lines and tokens."""

import pytest

from kubeon.kubeadm.commands import init_words, join_words, upgrade_apply_words, upgrade_node_words
from kubeon.kubeadm.tokens import TOKEN, new_token


def test_tokens_have_kubeadms_form() -> None:
    """Six characters, a dot, sixteen characters; never the same."""
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(TOKEN.fullmatch(token) for token in tokens)


def test_init_never_uploads_certificates_nor_prints_the_token() -> None:
    """Certificates are put in place by kubeon."""
    assert init_words("/etc/kubernetes/kubeadm.yaml", ignore=("NumCPU", "Mem")) == (
        *("kubeadm", "init", "--config", "/etc/kubernetes/kubeadm.yaml", "--skip-token-print"),
        "--ignore-preflight-errors=Mem,NumCPU",
    )


def test_an_upgrade_leaves_certificates_alone() -> None:
    """They are kubeon's."""
    assert upgrade_apply_words("v1.37.2", ignore=("SystemVerification",), patches=("--patches", "/p")) == (
        *("kubeadm", "upgrade", "apply", "v1.37.2", "--yes", "--certificate-renewal=false"),
        *("--ignore-preflight-errors=SystemVerification", "--patches", "/p"),
    )
    assert upgrade_node_words() == ("kubeadm", "upgrade", "node", "--certificate-renewal=false")


def test_a_pre_release_is_allowed() -> None:
    """Who named it has said so (kubeadm, phases/upgrade/policy.go: detectUnstableVersionError)."""
    assert "--allow-experimental-upgrades" in upgrade_apply_words("v1.38.0-beta.0")


@pytest.mark.parametrize("ignore", [("all", "NumCPU"), ("Mem", "ALL")])
def test_all_stands_alone(ignore: tuple[str, ...]) -> None:
    """Beside it kubeadm refuses the name of a check."""
    assert join_words("/k.yaml", ignore=ignore)[-1] == "--ignore-preflight-errors=all"


def test_join_without_exceptions_has_no_list() -> None:
    """An empty list would be refused."""
    assert join_words("/k.yaml") == ("kubeadm", "join", "--config", "/k.yaml")
