"""Who trusts whom in a fake cluster: each that runs, with what it read when it started, and all that it talks to."""

from collections.abc import Iterator
from functools import lru_cache

from kubeon import quick_yaml
from kubeon.pki import kubeconfigs
from kubeon.pki.authorities import Authority
from kubeon.pki.inspect import split
from kubeon.pki.keys import load_certificate, new_leaf_key
from tests.fakes.machine import KUBELET, KUBERNETES, Machine

PKI = f"{KUBERNETES}/pki"
CLIENT = f"{KUBELET}/pki/kubelet-client-current.pem"


@lru_cache(maxsize=65536)
def trusts(bundle: str, certificate: str) -> bool:
    """Did one of the CAs in the bundle sign it?"""
    signed, key = load_certificate(certificate.encode(), "certificate"), new_leaf_key()
    return any(Authority(load_certificate(ca, "CA"), key).signed(signed) for ca in split(bundle.encode()))


@lru_cache(maxsize=4096)
def parsed(text: str) -> tuple[str, str]:
    """The CAs and the client certificate in a kubeconfig."""
    found = kubeconfigs.parse(text.encode())
    return found.authority.decode(), found.certificate.decode()


def distrust(machines: list[Machine], pods: str, user: str) -> Iterator[str]:
    """Every pair that would not talk to each other now. What API servers read again by themselves counts twice."""
    control_planes = [each for each in machines if "kube-apiserver" in each.loaded]
    for server in control_planes:
        yield from _api_server(server, machines, pods, user)
        yield from _etcd(server, control_planes)


def _api_server(server: Machine, machines: list[Machine], pods: str, user: str) -> Iterator[str]:
    running = server.loaded["kube-apiserver"]
    for state, files in (("running", running), ("on disk", server.files)):
        serves, client_ca = files[f"{PKI}/apiserver.crt"][0], files[f"{PKI}/ca.crt"][0]
        who = f"{server.name}'s API server ({state})"
        for machine in machines:
            kubelet = machine.loaded.get("kubelet")
            if kubelet is None:
                continue
            if not trusts(parsed(kubelet[f"{KUBERNETES}/kubelet.conf"][0])[0], serves):
                yield f"{machine.name}'s kubelet does not trust {who}"
            if not trusts(client_ca, kubelet[CLIENT][0]):
                yield f"{who} does not trust {machine.name}'s kubelet"
            if not trusts(kubelet[f"{PKI}/ca.crt"][0], files[f"{PKI}/apiserver-kubelet-client.crt"][0]):
                yield f"{machine.name}'s kubelet refuses {who}"
        for name in ("controller-manager", "scheduler"):
            own = server.loaded[f"kube-{name}"][f"{KUBERNETES}/{name}.conf"][0]
            if not (trusts(parsed(own)[0], serves) and trusts(client_ca, parsed(own)[1])):
                yield f"{server.name}'s {name} and {who} do not trust each other"
        if pods and not trusts(pods, serves):
            yield f"pods do not trust {who}"
        if user and not (trusts(parsed(user)[0], serves) and trusts(client_ca, parsed(user)[1])):
            yield f"the user and {who} do not trust each other"
        if not trusts(files[f"{PKI}/front-proxy-ca.crt"][0], files[f"{PKI}/front-proxy-client.crt"][0]):
            yield f"{who} does not trust itself as a proxy"


def _etcd(member: Machine, control_planes: list[Machine]) -> Iterator[str]:
    etcd, api = member.loaded["etcd"], member.loaded["kube-apiserver"]
    for files in (etcd, member.files):  # it reads its certificates at every connection, its CAs once
        if not trusts(api[f"{PKI}/etcd/ca.crt"][0], files[f"{PKI}/etcd/server.crt"][0]):
            yield f"{member.name}'s API server does not trust its etcd"
        for other in control_planes:
            if not trusts(other.loaded["etcd"][f"{PKI}/etcd/ca.crt"][0], files[f"{PKI}/etcd/peer.crt"][0]):
                yield f"{other.name}'s etcd does not trust {member.name}'s"
    for files in (api, member.files):
        if not trusts(etcd[f"{PKI}/etcd/ca.crt"][0], files[f"{PKI}/apiserver-etcd-client.crt"][0]):
            yield f"{member.name}'s etcd does not trust its API server"


@lru_cache(maxsize=64)
def of_user(text: str, cluster: str) -> str:
    """The user's kubeconfig as if that cluster were the current one."""
    return quick_yaml.dump(quick_yaml.load(text) | {"current-context": cluster}) if text else ""
