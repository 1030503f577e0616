"""kube-proxy as the load balancer: a Service with a fixed address that leads to every API server.

A control plane talks to itself. On a worker the API's name leads to the Service's cluster IP. Where that leads is kept
up to date by the updater, a small Deployment, which copies default/kubernetes. kube-proxy itself needs the API before
the cluster IP works: when a worker boots, a unit writes a control plane that lives into /etc/hosts for a while.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import AddressValueError, IPv4Address

from kubeon import assets
from kubeon.hosts.cleaning import Cleaning
from kubeon.hosts.files import File
from kubeon.lb.base import PROGRAM_DIGEST, LoadBalancerMode, Workload, digest_of
from kubeon.render import render
from kubeon.spec.endpoints import API_PORT, Endpoint, api_server
from kubeon.spec.material import ImageArtifact
from kubeon.spec.model import ClusterSpec, NodeSpec, Role
from kubeon.spec.versions import discovery_api

NAMESPACE, SERVICE, SLICE, UPDATER = "kube-system", "apiserver", "apiserver-kubeon", "apiserver-updater"
HEALTH_PORT = 8843  # in the pod's own network
FOLDER = "/etc/kubernetes/apiserver-startup"
SETTINGS, HOSTS = f"{FOLDER}/settings", f"{FOLDER}/hosts"
SCRIPT = "/usr/local/lib/kubeon/apiserver-startup"
STARTUP, RETURN = "apiserver-startup.service", "apiserver-return.service"
_UNITS = "/etc/systemd/system"
_KUBERNETES, _OURS, _DNS = 1, 2, 10  # places in serviceSubnet: the API server's own, ours, kubeadm's for DNS
REPLICAS = 2
# The official image, of a branch with fixes until 2029. An exact patch release, and Alpine's, as for haproxy.
# Tags: github.com/docker-library/python, versions.json (3.13.14 came with f79aea5b8f6b).
IMAGE = "docker.io/library/python:3.13.14-alpine"
UID = 65532
PROGRAM = "/opt/apiserver-updater"
_PACKAGE = "apiserver_updater"
_MAIN = f'''\
"""What `python3 {PROGRAM}` runs: the package beside this file."""

import runpy

runpy.run_module("{_PACKAGE}", run_name="__main__", alter_sys=True)
'''


class Updater(LoadBalancerMode):
    """`loadBalancer.mode: updater`."""

    name = "updater"
    where_to_look = (
        f"look at: {SCRIPT} check, and journalctl -u {RETURN} on that host; "
        f"kubectl get endpointslices,pods -n {NAMESPACE} -o wide"
    )

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """The address, where one is given, has to be free for a Service and have the API's own port."""
        text = _problem(spec)
        return (("loadBalancer.address", text),) if text else ()

    def endpoint(self, spec: ClusterSpec) -> Endpoint:
        """The API's name and its own port, which the Service has, too."""
        return Endpoint(spec.load_balancer.name, API_PORT)

    def hosts(self, spec: ClusterSpec, node: NodeSpec) -> tuple[tuple[str, str], ...]:
        """A control plane leads to itself, a worker to the cluster IP."""
        to = str(node.address) if node.role is Role.CONTROL_PLANE else cluster_ip(spec)
        return ((to, spec.load_balancer.name),)

    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """The name, and the cluster IP for those who have no /etc/hosts of ours."""
        return (spec.load_balancer.name, cluster_ip(spec))

    def images(self, spec: ClusterSpec) -> tuple[ImageArtifact, ...]:
        """The one image, everywhere: the updater's pods may be started on any node."""
        del spec
        return (ImageArtifact(IMAGE),)

    def files(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """What a worker boots with."""
        if node.role is Role.CONTROL_PLANE:
            return ()
        settings = {
            "CLUSTER": spec.name,
            "NAME": spec.load_balancer.name,
            "CLUSTER_IP": cluster_ip(spec),
            "PORT": str(API_PORT),
        }
        return (
            *self.lists(spec, node),
            File(SETTINGS, "".join(f"{name}={value}\n" for name, value in settings.items())),
            File(SCRIPT, assets.systemd("apiserver-startup"), mode=0o755),
            *(File(f"{_UNITS}/{unit}", assets.systemd(unit)) for unit in (RETURN, STARTUP)),
        )

    def lists(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """Control planes to go to while the cluster IP does not answer."""
        if node.role is Role.CONTROL_PLANE:
            return ()
        text = "# Written by kubeon: the control planes. apiserver-startup takes the first that answers.\n"
        return (File(HOSTS, text + "".join(f"{server}\n" for server in _servers(spec))),)

    def units(self, spec: ClusterSpec, node: NodeSpec) -> tuple[str, ...]:
        """The one for the boot, which starts the other."""
        del spec
        return () if node.role is Role.CONTROL_PLANE else (STARTUP,)

    def start_script(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """As at boot."""
        del spec
        return "" if node.role is Role.CONTROL_PLANE else _START

    def check(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """The list, and then the node's own line in /etc/hosts."""
        if node.role is Role.CONTROL_PLANE:
            return ""
        return _CHECK.format(wanted=" ".join(_servers(spec)), address=cluster_ip(spec), port=API_PORT)

    def workload(self, spec: ClusterSpec) -> Workload:
        """Service and updater."""
        return Workload(NAMESPACE, SERVICE, cluster_ip(spec), UPDATER, IMAGE, digest())

    def manifest(self, spec: ClusterSpec) -> str:
        """Service, rights, program and Deployment."""
        files = program()
        values = {
            **_names(),
            "address": cluster_ip(spec),
            "replicas": min(REPLICAS, len(spec.nodes)),
            "image": IMAGE,
            "uid": UID,
            "health_port": HEALTH_PORT,
            "program": PROGRAM,
            "annotation": PROGRAM_DIGEST,
            "digest": digest(),
            "data": {key: json.dumps(text) for key, (_, text) in files.items()},  # JSON is YAML
            "paths": {key: path for key, (path, _) in files.items()},
        }
        return render("kubeon.lb", "apiserver-updater.yaml.j2", values)

    def initial(self, spec: ClusterSpec, servers: Sequence[str]) -> str:
        """Where the Service leads before the updater's pods run, and the Lease that they share."""
        values = {**_names(), "version": discovery_api(spec.kubernetes), "servers": servers}
        return render("kubeon.lb", "apiserver-updater-objects.yaml.j2", values)

    def cleaning(self) -> Cleaning:
        """Units, and the script that they run."""
        return Cleaning(units=(RETURN, STARTUP), paths=(SCRIPT, f"{_UNITS}/{STARTUP}", f"{_UNITS}/{RETURN}"))


@cache
def program() -> Mapping[str, tuple[str, str]]:
    """By their keys in a ConfigMap, the program's files: path below `PROGRAM`, and content."""
    package = {name: (f"{_PACKAGE}/{name}", text) for name, text in sorted(assets.updater().items())}
    return {"main.py": ("__main__.py", _MAIN), **package}


def digest() -> str:
    """Another program is another digest: the pods are replaced."""
    return digest_of(json.dumps(program()))


def cluster_ip(spec: ClusterSpec) -> str:
    """The Service's address: the one that is given, else the second of serviceSubnet.

    Low addresses are those that releases with ServiceIPStaticSubrange (1.24) keep for Services that ask for one.
    """
    given = Endpoint.parse(spec.load_balancer.address or "").host
    return given or str(spec.networking.service_subnet[_OURS])


def _problem(spec: ClusterSpec) -> str:
    if not spec.load_balancer.address:
        return ""
    subnet = spec.networking.service_subnet
    host, _, port = spec.load_balancer.address.rpartition(":")
    try:
        address = IPv4Address(host)
    except AddressValueError:
        why = f"{host} is not an address"
    else:
        taken = {
            subnet.network_address: "is no address of a Service",
            subnet[_KUBERNETES]: "is that of Service kubernetes",
            subnet[_DNS]: "is that of the cluster's DNS",
            subnet.broadcast_address: "is no address of a Service",
        }
        if address not in subnet:
            why = f"{address} does not lie in networking.serviceSubnet {subnet}"
        elif address in taken:
            why = f"{address} {taken[address]}"
        elif port != str(API_PORT):
            why = f"port {port} is not the API's"
        else:
            return ""
    return f"{why}; mode updater takes a free address of serviceSubnet: {subnet[_OURS]}:{API_PORT}, or say none"


def _names() -> dict[str, object]:
    return {"namespace": NAMESPACE, "service": SERVICE, "slice": SLICE, "name": UPDATER, "port": API_PORT}


def _servers(spec: ClusterSpec) -> list[str]:
    return [str(api_server(node.address)) for node in spec.control_planes]


# The other unit is stopped, because it read its settings when it started; the first one starts it again.
_START = f"""\
systemctl stop {RETURN}
systemctl restart {STARTUP}
"""
_CHECK = f"""\
known=$(grep -v '^#' {HOSTS} 2>/dev/null | tr '\\n' ' ')
if [ "$known" != '{{wanted}} ' ]; then
    echo "apiserver-startup knows $(echo ${{{{known:-nothing}}}}), not {{wanted}}"
    exit 1
fi
{SCRIPT} check || exit $?
echo "{{address}}:{{port}} UP"
"""
