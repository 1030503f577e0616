"""Every certificate of a host, on disk and as it is served, in one round trip. No private key leaves the host."""

import base64
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from kubeon.errors import StateError
from kubeon.hosts.host import Host
from kubeon.pki.inspect import ca_fingerprint, from_der
from kubeon.pki.leaves import FILES, KUBELET_CLIENT_LINK, KUBELET_SERVING, KUBERNETES, PKI
from kubeon.pki.served import QUESTION, first_certificate
from kubeon.spec.endpoints import API_PORT
from kubeon.spec.model import Role

API, ETCD, ETCD_PEERS, KUBELET = API_PORT, 2379, 2380, 10250
# port: the file whose certificate is served there
SERVED = {
    API: FILES["apiserver"],
    ETCD: FILES["etcd-server"],
    ETCD_PEERS: FILES["etcd-peer"],
    KUBELET: KUBELET_SERVING,
}
LISTENS = {API: "kube-apiserver", ETCD: "etcd", ETCD_PEERS: "etcd", KUBELET: "kubelet"}
_MARK = "@@kubeon "
_FILES = f"""\
for each in $(find {PKI} -name '*.crt' 2>/dev/null | sort) {PKI}/sa.pub {KUBERNETES}/*.conf \\
    {KUBELET_CLIENT_LINK} {KUBELET_SERVING}; do
    [ -f "$each" ] || continue
    printf '{_MARK}file %s\\n' "$each"
    case $each in
        *.conf) grep -vE '^ *(client-key-data|token|password):' "$each" ;;
        *) sed -n '/-----BEGIN CERTIFICATE-----/,/-----END CERTIFICATE-----/p' "$each" ;;
    esac
done
"""
# bash for its /dev/tcp; it ends when the server closes the connection, at the latest after five seconds.
_SERVED = """\
for port in {ports}; do
    printf '{mark}served %s\\n' "$port"
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "$2" >&3 && head -c 32768 <&3' \\
        {address} "$port" {question} 2>/dev/null | base64
done
exit 0
"""
_QUESTION = "".join(f"\\x{byte:02x}" for byte in QUESTION)


@dataclass(frozen=True)
class Certificates:
    """What a host has: files (those inside kubeconfigs, too) without their keys, and what its ports serve (PEM)."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    served: Mapping[int, bytes] = field(default_factory=dict)  # empty where nothing was to be learnt

    @property
    def current(self) -> dict[str, bool]:
        """By file: is it what its port serves? Only of ports that answered, and of files that can be read."""
        found = {}
        for port, path in SERVED.items():
            if port in self.served and path in self.files:
                with suppress(StateError):  # what is damaged is made anew; a restart would not help
                    found[path] = ca_fingerprint(self.served[port]) == ca_fingerprint(self.files[path], path)
        return found

    @property
    def stale(self) -> frozenset[str]:
        """Components that serve another certificate than the one on disk."""
        return frozenset(LISTENS[port] for port, path in SERVED.items() if self.current.get(path) is False)


def ports_of(host: Host) -> Sequence[int]:
    """Where this node serves with a certificate of the cluster's."""
    return (API, ETCD, ETCD_PEERS, KUBELET) if host.node.role is Role.CONTROL_PLANE else (KUBELET,)


def look_at_certificates(host: Host) -> Certificates:
    """Read them all. Raises HostError."""
    asked = _SERVED.format(
        ports=" ".join(map(str, ports_of(host))),
        mark=_MARK,
        address=shlex.quote(host.address),
        question=shlex.quote(_QUESTION),
    )
    return parse(host.ask(_FILES + asked, timeout=60, what="read certificates", wait=False))


def parse(output: str) -> Certificates:
    """Read what the script printed."""
    files: dict[str, bytes] = {}
    served: dict[int, bytes] = {}
    for chunk in f"\n{output}".split(f"\n{_MARK}")[1:]:
        head, _, body = chunk.partition("\n")
        kind, _, name = head.partition(" ")
        if kind == "file":
            files[name] = body.encode()
        elif der := first_certificate(base64.b64decode("".join(body.split()))):
            served[int(name)] = from_der(der, f"what is served on port {name}")
    return Certificates(files, served)
