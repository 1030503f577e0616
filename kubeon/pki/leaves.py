"""The certificates and kubeconfigs of one node, with kubeadm's names, subjects, usages and names.

Sources, all in kubernetes/kubernetes: cmd/kubeadm/app/phases/certs/certlist.go (subjects, usages),
cmd/kubeadm/app/util/pkiutil/pki_helpers.go (names), cmd/kubeadm/app/phases/kubeconfig/kubeconfig.go (kubeconfigs),
cmd/kubelet/app/server.go (InitializeTLS: the serving certificate).
"""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network

from cryptography.x509 import ObjectIdentifier

from kubeon.pki.authorities import CLIENT, SERVER, Subject
from kubeon.pki.names import shared_names
from kubeon.spec.endpoints import Endpoint, api_server
from kubeon.spec.versions import (
    Version,
    admin_group,
    etcd_client_group,
    has_super_admin,
    kubelet_client_group,
    kubelets_stay_local,
)

KUBERNETES = "/etc/kubernetes"
PKI = f"{KUBERNETES}/pki"
SUPER_ADMIN = f"{KUBERNETES}/super-admin.conf"
KUBELET_PKI = "/var/lib/kubelet/pki"
KUBELET_CONF = f"{KUBERNETES}/kubelet.conf"
# The kubelet takes its client certificate from here; it has to be a symbolic link, because the kubelet replaces it
# when it rotates (client-go/util/certificate/certificate_store.go: updateSymlink refuses anything else).
KUBELET_CLIENT_LINK = f"{KUBELET_PKI}/kubelet-client-current.pem"
KUBELET_CLIENT_PEM = f"{KUBELET_PKI}/kubelet-client-kubeon.pem"  # what the link should point to
# What `kubeadm certs renew` calls certificates and kubeconfigs, and two names for what kubelets have: the file each is
# known by.
KUBELET_SERVING = f"{KUBELET_PKI}/kubelet.crt"
FILES = {
    "apiserver": f"{PKI}/apiserver.crt",
    "apiserver-kubelet-client": f"{PKI}/apiserver-kubelet-client.crt",
    "apiserver-etcd-client": f"{PKI}/apiserver-etcd-client.crt",
    "front-proxy-client": f"{PKI}/front-proxy-client.crt",
    "etcd-server": f"{PKI}/etcd/server.crt",
    "etcd-peer": f"{PKI}/etcd/peer.crt",
    "etcd-healthcheck-client": f"{PKI}/etcd/healthcheck-client.crt",
    "admin.conf": f"{KUBERNETES}/admin.conf",
    "super-admin.conf": SUPER_ADMIN,
    "controller-manager.conf": f"{KUBERNETES}/controller-manager.conf",
    "scheduler.conf": f"{KUBERNETES}/scheduler.conf",
    "kubelet-client": KUBELET_CLIENT_LINK,
    "kubelet-serving": KUBELET_SERVING,
}


@dataclass(frozen=True)
class LeafRequest:
    """What the certificates of a node depend on. Times are lifetimes, addresses are text."""

    node_name: str
    address: str
    version: Version
    endpoint: str  # host:port by which nodes reach the API
    validity: timedelta
    service_subnet: IPv4Network
    dns_domain: str
    control_plane: bool = False
    sans: tuple[str, ...] = ()  # more names and addresses for the API server: of the spec, the load balancer ...
    super_admin: bool = False  # the node where `kubeadm init` runs has super-admin.conf, from 1.29 on

    @property
    def endpoint_url(self) -> str:
        """Where clients outside the node find the API."""
        return f"https://{self.endpoint}"

    @property
    def endpoint_host(self) -> str:
        """The name or address of the endpoint."""
        return Endpoint.parse(self.endpoint).host

    @property
    def local_url(self) -> str:
        """Where what runs on a control plane finds the API: no load balancer between."""
        return api_server(self.address).url


@dataclass(frozen=True)
class Leaf:
    """One certificate as it should be.

    `path` is that of a kubeconfig when there is a `server`; otherwise a pair of files, PATH.crt and PATH.key.
    """

    path: str
    authority: str  # attribute of Authorities: ca, etcd_ca, front_proxy_ca
    subject: Subject
    usages: tuple[ObjectIdentifier, ...]
    names: tuple[str, ...] = ()
    server: str = ""  # of a kubeconfig
    more_servers: tuple[str, ...] = ()  # that are fit, too
    any_group: bool = False  # one of another release is fit, too, with more rights or with fewer


def control_plane_leaves(request: LeafRequest) -> tuple[Leaf, ...]:
    """What a control plane needs besides what every node needs."""
    return (*_api_leaves(request), *_etcd_leaves(request), *_kubeconfigs(request))


def _api_leaves(request: LeafRequest) -> tuple[Leaf, ...]:
    group = kubelet_client_group(request.version)
    kubelet_client = Subject("kube-apiserver-kubelet-client", (group,) if group else ())
    return (
        Leaf(f"{PKI}/apiserver", "ca", Subject("kube-apiserver"), (SERVER,), api_names(request)),
        Leaf(f"{PKI}/apiserver-kubelet-client", "ca", kubelet_client, (CLIENT,), any_group=True),
        Leaf(f"{PKI}/front-proxy-client", "front_proxy_ca", Subject("front-proxy-client"), (CLIENT,)),
    )


def _etcd_leaves(request: LeafRequest) -> tuple[Leaf, ...]:
    node = Subject(request.node_name)
    names = (request.node_name, "localhost", request.address, "127.0.0.1", "::1")
    group = etcd_client_group(request.version)
    groups = (group,) if group else ()
    # etcd asks for the client usage in server certificates too: https://github.com/etcd-io/etcd/issues/9785
    return (
        Leaf(f"{PKI}/etcd/server", "etcd_ca", node, (SERVER, CLIENT), names),
        Leaf(f"{PKI}/etcd/peer", "etcd_ca", node, (SERVER, CLIENT), names),
        Leaf(f"{PKI}/etcd/healthcheck-client", "etcd_ca", Subject("kube-etcd-healthcheck-client", groups), (CLIENT,)),
        Leaf(f"{PKI}/apiserver-etcd-client", "etcd_ca", Subject("kube-apiserver-etcd-client", groups), (CLIENT,)),
    )


def _kubeconfigs(request: LeafRequest) -> tuple[Leaf, ...]:
    def kubeconfig(name: str, server: str, user: str, *groups: str) -> Leaf:
        return Leaf(f"{KUBERNETES}/{name}.conf", "ca", Subject(user, groups), (CLIENT,), server=server)

    super_admin = kubeconfig("super-admin", request.endpoint_url, "kubernetes-super-admin", "system:masters")
    return (
        kubeconfig("admin", request.endpoint_url, "kubernetes-admin", admin_group(request.version)),
        *((super_admin,) if request.super_admin and has_super_admin(request.version) else ()),
        kubeconfig("controller-manager", request.local_url, "system:kube-controller-manager"),
        kubeconfig("scheduler", request.local_url, "system:kube-scheduler"),
    )


def api_names(request: LeafRequest) -> tuple[str, ...]:
    """Names and addresses in the API server's certificate, each once."""
    return tuple(dict.fromkeys((request.node_name, *shared_api_names(request), request.address)))


def shared_api_names(request: LeafRequest) -> tuple[str, ...]:
    """Those of them that every control plane's certificate has."""
    return shared_names(request.endpoint_host, request.service_subnet, request.dns_domain, request.sans)


def kubelet_subject(node_name: str) -> Subject:
    """Who a kubelet is; the node authorizer reads the node's name from it."""
    return Subject(f"system:node:{node_name}", ("system:nodes",))


def kubelet_serving_leaf(request: LeafRequest) -> Leaf:
    """The certificate with which the kubelet serves; without it the kubelet signs one of its own, for a year.

    The kubelet uses kubelet.crt and kubelet.key of its certificate directory when both are there and neither
    tlsCertFile nor serverTLSBootstrap is set.
    """
    names = (request.node_name, request.address)
    return Leaf(f"{KUBELET_PKI}/kubelet", "ca", kubelet_subject(request.node_name), (SERVER,), names)


def kubelet_client_leaf(request: LeafRequest) -> Leaf:
    """kubelet.conf, pointing to the link that the kubelet itself maintains.

    On a control plane it may lead to the API server beside it or to the endpoint: what kubeadm writes has changed, its
    `upgrade` changes what is there, and with a feature gate its user did (KEP-4471).
    """
    servers = (request.endpoint_url, request.local_url) if request.control_plane else (request.endpoint_url,)
    if kubelets_stay_local(request.version):
        servers = servers[::-1]
    subject = kubelet_subject(request.node_name)
    return Leaf(KUBELET_CONF, "ca", subject, (CLIENT,), server=servers[0], more_servers=servers[1:])
