"""A haproxy on each worker, in a static pod: the API is at home everywhere, and no machine is in the way of another.

A control plane talks to itself. On a worker the API's name leads to 127.0.0.1, where haproxy knows all control planes
and which of them live. Their list is a file that the pod follows, so that the pod stays when members change.
"""

import hashlib

from kubeon import assets
from kubeon.hosts.files import File
from kubeon.lb.base import PROGRAM_DIGEST, LoadBalancerMode, digest_of, without_address
from kubeon.render import render
from kubeon.spec.endpoints import API_PORT, Endpoint, api_server
from kubeon.spec.material import ImageArtifact
from kubeon.spec.model import ClusterSpec, NodeSpec, Role

HEALTH_PORT = 8842
FOLDER = "/etc/kubernetes/local-haproxy"
HOSTS = f"{FOLDER}/hosts"
PROGRAM = f"{FOLDER}/local-haproxy"
POD = "/etc/kubernetes/manifests/local-haproxy.yaml"
# The official image, of a branch with long-term support. An exact patch release: nobody should get another haproxy by
# accident. Of Alpine, which is smaller than Debian's; its shell is busybox. haproxy is user 99 in both.
# Tags: github.com/docker-library/haproxy, versions.json.
IMAGE = "docker.io/library/haproxy:3.2.21-alpine"
UID = 99


class Haproxy(LoadBalancerMode):
    """`loadBalancer.mode: haproxy`."""

    name = "haproxy"
    where_to_look = "look at: crictl ps -a --name local-haproxy, and its logs, on that host"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """An address would be ignored."""
        return without_address(spec)

    def endpoint(self, spec: ClusterSpec) -> Endpoint:
        """The API's name and its own port, which haproxy has on workers."""
        return Endpoint(spec.load_balancer.name, API_PORT)

    def hosts(self, spec: ClusterSpec, node: NodeSpec) -> tuple[tuple[str, str], ...]:
        """A control plane leads to itself, a worker to its haproxy."""
        to = str(node.address) if node.role is Role.CONTROL_PLANE else "127.0.0.1"
        return ((to, spec.load_balancer.name),)

    def sans(self, spec: ClusterSpec) -> tuple[str, ...]:
        """The name. 127.0.0.1 is in each certificate anyway."""
        return (spec.load_balancer.name,)

    def images(self, spec: ClusterSpec) -> tuple[ImageArtifact, ...]:
        """The one image, where there are workers."""
        return (ImageArtifact(IMAGE, (Role.WORKER,)),) if spec.workers else ()

    def files(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """The list and the program, and after them the pod that reads both."""
        if node.role is Role.CONTROL_PLANE:
            return ()
        program = assets.haproxy("local-haproxy")
        return (*self.lists(spec, node), File(PROGRAM, program, mode=0o755), File(POD, _pod(node, program)))

    def lists(self, spec: ClusterSpec, node: NodeSpec) -> tuple[File, ...]:
        """The list alone: the pod of a member has its image and its program."""
        if node.role is Role.CONTROL_PLANE:
            return ()
        text = "# Written by kubeon: the control planes. local-haproxy follows this file.\n"
        return (File(HOSTS, text + "".join(f"{server}\n" for server in _servers(spec))),)

    def check(self, spec: ClusterSpec, node: NodeSpec) -> str:
        """haproxy's own table, by the loopback port of the health probe."""
        if node.role is Role.CONTROL_PLANE:
            return ""
        return _CHECK.format(port=HEALTH_PORT, wanted=" ".join(_servers(spec)))

    def ports(self, spec: ClusterSpec, node: NodeSpec) -> tuple[int, ...]:
        """Those that haproxy listens on."""
        del spec
        return () if node.role is Role.CONTROL_PLANE else (API_PORT, HEALTH_PORT)


def _pod(node: NodeSpec, program: str) -> str:
    """The static pod, with a UID of its own that changes when the rest does, or the program.

    Without one the kubelet makes it: a hash over its own Go types, another one in each minor release (`applyDefaults`
    in pkg/kubelet/config/common.go). A new kubelet would end the pod, and nobody would listen on the node for seconds.
    """
    values = {
        "image": IMAGE,
        "user": UID,
        "port": API_PORT,
        "health_port": HEALTH_PORT,
        "folder": FOLDER,
        "hosts": HOSTS,
        "program": PROGRAM,
        "annotation": PROGRAM_DIGEST,
        "digest": digest_of(program),
    }
    rest = render("kubeon.lb", "local-haproxy.yaml.j2", values | {"uid": ""})
    uid = hashlib.sha256(f"{node.address}\n{rest}".encode()).hexdigest()[:32]
    return render("kubeon.lb", "local-haproxy.yaml.j2", values | {"uid": uid})


def _servers(spec: ClusterSpec) -> list[str]:
    return [str(api_server(node.address)) for node in spec.control_planes]


# bash for its /dev/tcp: hosts need not have curl. A server counts once a check of it has succeeded: haproxy takes those
# it has not asked yet for living. While a check runs "* " stands before the result of the last one.
_CHECK = """\
timeout 10 bash -s <<'KUBEON_CHECK'
answer=$(exec 2>/dev/null 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET /stats;csv HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3)
if [ -z "$answer" ]; then
    echo "haproxy does not answer on 127.0.0.1:{port}"
    exit 1
fi
printf '%s\\n' "$answer" | tr -d '\\r' | awk -F, -v wanted='{wanted}' '
    $1 == "# pxname" {{ for (i = 1; i <= NF; i++) column[$i] = i }}
    $1 == "apiservers" && $2 != "BACKEND" {{
        served = served (served ? " " : "") $2
        known[$2]
        count++
        result = $column["check_status"]
        sub(/^\\* /, "", result)
        if ($column["status"] ~ /^UP/ && result == "L7OK") up++
        said = said (said ? ", " : "") $2 " " $column["status"] (result ? " " result : "")
    }}
    END {{
        number = split(wanted, servers, " ")
        for (i = 1; i <= number; i++) if (!(servers[i] in known)) count = -1
        if (count != number) {{
            print "haproxy serves " (served ? served : "nothing") ", not " wanted
            exit 1
        }}
        if (!up) {{
            print "haproxy reaches no API server: " said
            exit 1
        }}
        print said
    }}'
KUBEON_CHECK
"""
