"""Names of kubeadm's own preflight checks, which `--ignore-preflight-errors` takes beside kubeon's.

cmd/kubeadm/app/preflight/checks.go and app/phases/upgrade/{preflight,health}.go, v1.20 to v1.37.
"""

import re

NAMES = (
    *("CRI", "ContainerRuntimeVersion", "ControlPlaneNodesReady", "CoreDNSMigration", "CoreDNSUnsupportedPlugins"),
    *("CreateJob", "ExternalEtcdClientCertificates", "ExternalEtcdVersion", "Firewalld", "HTTPProxy", "HTTPProxyCIDR"),
    *("Hostname", "ImagePull", "IsPrivilegedUser", "KubeletVersion", "KubernetesVersion", "Mem", "NumCPU"),
    *("StaticPodManifest", "Swap", "SystemVerification"),
)
_KINDS = ("DirAvailable", "FileAvailable", "FileContent", "FileExisting", "Service")  # of a path, a program, a unit
_KNOWN = re.compile("|".join((*NAMES, *(f"{kind}-.+" for kind in _KINDS), r"Port-\d+")), re.IGNORECASE)
_FAILED = re.compile(r"\[ERROR ([\w.-]+)\]")


def is_kubeadms(name: str) -> bool:
    """Has some release's kubeadm a check of this name? It takes it in any case."""
    return bool(_KNOWN.fullmatch(name))


def failed_checks(said: str) -> tuple[str, ...]:
    """Those that kubeadm says have failed."""
    return tuple(sorted(set(_FAILED.findall(said))))
