"""Certificates as they are: on disk, inside kubeconfigs, and as served by what listens."""

import base64
import subprocess
import sys
from datetime import datetime

import yaml
from cryptography import x509

from tests.lab import hosts, machine

_PLACES = "/etc/kubernetes /var/lib/kubelet/pki"
_FILES = f"find {_PLACES} -type f"
_ASK = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2])), timeout=10))"


def expiries(host: hosts.LabHost) -> dict[str, datetime]:
    """When each certificate of a host ends, by file (and entry), those inside kubeconfigs too."""
    names = r"\( -name '*.crt' -o -name '*.pem' -o -name '*.conf' \)"
    script = f'{_FILES} {names} | while read -r file; do echo "@@ $file"; cat "$file"; done'
    found: dict[str, datetime] = {}
    for part in hosts.ssh(host, script).stdout.split("@@ ")[1:]:
        path, _, text = part.partition("\n")
        found |= of_kubeconfig(path, text) if path.endswith(".conf") else _of_pem(path, text.encode())
    return found


def of_kubeconfig(name: str, text: str) -> dict[str, datetime]:
    """The same of one kubeconfig; of one that only names files there is nothing to tell."""
    content = yaml.safe_load(text)
    data = {f"{name} cluster {each['name']}": each["cluster"] for each in content["clusters"]}
    data |= {f"{name} user {each['name']}": each["user"] for each in content["users"]}
    found: dict[str, datetime] = {}
    for entry, fields in data.items():
        for key in ("certificate-authority-data", "client-certificate-data"):
            if key in fields:
                found |= _of_pem(f"{entry} {key}", base64.b64decode(fields[key]))
    return found


def served(host: hosts.LabHost, port: int, *, address: str = "") -> datetime:
    """When the certificate ends that something on this host shows; asked from inside its network."""
    pid = machine.podman("inspect", "-f", "{{.State.Pid}}", host.container).strip()
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-c", _ASK, address or host.address, str(port)]
    pem = subprocess.run(words, check=True, capture_output=True, timeout=30).stdout
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc


def open_keys(host: hosts.LabHost) -> list[str]:
    """Files with a private key that somebody else than root may read or write."""
    places = f"{_PLACES} /root/.kube /var/lib/kubeon /run/kubeon"
    keys = f"grep -rlE --exclude-dir=cache 'PRIVATE KEY|client-key-data' {places} 2>/dev/null"
    script = f"{keys} | xargs -r stat -L -c '%a %U %n'"
    lines = hosts.ssh(host, script).stdout.splitlines()
    assert lines, f"no private key found on {host.name}"
    return [line for line in lines if not line.startswith("600 root ")]


def _of_pem(name: str, pem: bytes) -> dict[str, datetime]:
    certificates = x509.load_pem_x509_certificates(pem)
    return {f"{name} {number}": each.not_valid_after_utc for number, each in enumerate(certificates)}
