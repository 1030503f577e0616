"""An API server as kubectl sees it: the few objects that kubeon looks at, and no others."""

import base64
import json
import threading
from collections.abc import Callable
from typing import Any

from kubeon import quick_yaml
from kubeon.kube import drain
from kubeon.kube.tokens import detached_signature
from kubeon.spec.versions import Version, kubeadm_api
from tests.fakes.etcd import FakeEtcd

LOOK = ["get", "-f", "-", "--ignore-not-found", "-o", "name"]
GROUPS = {"EndpointSlice": ".discovery.k8s.io", "Lease": ".coordination.k8s.io", "Endpoints": ""}
KINDS = (
    "ConfigMap",
    "ClusterRole",
    "ClusterRoleBinding",
    "ServiceAccount",
    "Service",
    "Role",
    "RoleBinding",
    "Deployment",
)
READY = {"type": "Ready", "status": "True"}


class KubectlError(Exception):
    """kubectl fails with these words."""


class FakeApi:
    """One cluster's objects, shared by its control planes."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        self.etcd = FakeEtcd()
        self.workloads: dict[str, list[dict[str, Any]]] = {}  # pods of users, by node
        self.services: dict[str, str] = {}  # of users, "namespace/name": cluster IP
        self.holders: Callable[[str], set[str]] = lambda reference: set()  # the nodes that have an image
        self.system: list[dict[str, Any]] = []  # pods of kube-system
        self.balancer_fails = ""  # what an external load balancer's way to the API says
        self.balancers: set[str] = set()  # host:port of external load balancers that lead here
        self.machines: dict[str, Any] = {}  # all of them, by address
        self.blocked: set[str] = set()  # nodes whose pods a PodDisruptionBudget holds
        self.cluster_status: dict[str, Any] | None = None  # kubeadm-config's, of old releases
        self.configmaps: dict[str, dict[str, str]] = {}  # what plain kubeadm has written into kube-system
        self.configured = ""  # the version in kubeadm-config
        self.patched: set[str] = set()  # keys of what was patched since it was applied
        self.versions: dict[str, str] = {}  # of API servers, by control plane
        self.upgraded: list[tuple[str, str]] = []  # what kubeadm upgrade did, and where
        self.ended: list[str] = []  # control planes whose API server was ended before kubeadm began
        self.budgets: list[dict[str, Any]] = []  # PodDisruptionBudgets
        self.held: dict[str, str] = {}  # "namespace/name" of pods that cannot be evicted: what the API says
        self.cluster_configuration: dict[str, Any] | None = None  # kubeadm-config's
        self.read_back: list[dict[str, Any]] = []  # what kubeadm has read before it was stored there
        self.root_ca = ""  # what the controller manager tells namespaces
        self.trusted_by_pods = ""  # the CAs that the system's pods found when they started; "": those of the beginning
        self.authentication: dict[str, str] | None = {}  # what API servers tell of client CAs
        self.more_workloads: list[str] = []  # of users: "namespace Kind/name"
        self.rolled: list[str] = []  # workloads whose pods were made anew, with the CA of then
        self.secrets: dict[str, dict[str, str]] = {}
        self.cluster_info: dict[str, str] = {}
        self.applied: dict[str, Any] = {}  # "kind/name": object
        self.system_pods: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.leaving: set[str] = set()  # pods that were deleted and still there, as pods are for a while
        self.writes: list[tuple[str, ...]] = []  # every call that changes something
        self._lock = threading.Lock()
        self._renewals = 0

    def kubectl(self, words: list[str], stdin: str) -> str:
        """Answer a command line, without its --kubeconfig and --server."""
        with self._lock:
            if words == LOOK:
                return "".join(f"{_full(each)}\n" for each in quick_yaml.load_all(stdin) if _key(each) in self.applied)
            return self._get(words[1:]) if words[0] == "get" else self._write(words, stdin)

    def _get(self, words: list[str]) -> str:  # noqa: PLR0911, PLR0912 - one line for each thing it knows
        match words:
            case ["--raw", "/readyz", *_]:
                return "ok"
            case ["nodes,pods", "--namespace", "kube-system", "-o", "json", "--request-timeout", "5s"]:
                return json.dumps({"items": [{"kind": "Node", **node} for node in self.nodes.values()] + self.system})
            case ["nodes", "-o", "json", "--ignore-not-found"]:
                return json.dumps({"items": list(self.nodes.values())})
            case ["node", name, "-o", "json", "--ignore-not-found"]:
                return json.dumps(self.nodes[name]) if name in self.nodes else ""
            case ["configmap", "cluster-info", "--namespace", "kube-public", *_]:
                return json.dumps({"data": self.cluster_info})
            case ["secrets", "--namespace", "kube-system", "--field-selector", field, *_]:
                assert field == "type=bootstrap.kubernetes.io/token"
                return json.dumps({"items": [_secret(name, data) for name, data in self.secrets.items()]})
            case [
                "pods",
                "--selector",
                "k8s-app=kube-proxy",
                "--namespace",
                "kube-system",
                "--field-selector",
                field,
                *_,
            ]:
                return json.dumps({"items": [_proxy(each) for each in self._on(field) if each.proxy[0]]})
            case ["pods", "--selector", selector, "--namespace", "kube-system", *_]:
                wanted = dict(each.split("=") for each in selector.split(","))
                here = [each for each in self.pods.values() if wanted == each["metadata"]["labels"]]
                return json.dumps({"items": here})
            case ["pods", "--all-namespaces", "--field-selector", field, *_]:
                return json.dumps({"items": self.workloads.get(field.removeprefix("spec.nodeName="), [])})
            case ["leases", "--namespace", "kube-node-lease", "-o", "json", "--ignore-not-found"]:
                self._renewals += 1
                renewed = {"renewTime": f"2026-01-31T12:00:00.{self._renewals:06}Z"}
                return json.dumps({"items": [{"metadata": {"name": name}, "spec": renewed} for name in self.nodes]})
            case ["pods", "--namespace", "kube-system", "-o", "json", "--ignore-not-found"]:
                return json.dumps({"items": list(self.system_pods.values())})
            case ["configmap", "kubeadm-config", "--namespace", "kube-system", *_]:
                known = {"ClusterStatus": self.cluster_status, "ClusterConfiguration": self._cluster_configuration()}
                data = {name: quick_yaml.dump(each) for name, each in known.items() if each is not None}
                return json.dumps({"data": data | self.configmaps.get("kubeadm-config", {})})
            case ["clusterrolebinding", name, "-o", "json", "--ignore-not-found"]:
                return json.dumps(self.applied[key]) if (key := f"ClusterRoleBinding/{name}") in self.applied else ""
            case ["configmap", name, "--namespace", "kube-system", *_] if name.startswith("kubelet-config"):
                return json.dumps({"data": self.configmaps[name]}) if name in self.configmaps else ""
            case ["configmap", "kubeon-pod-ranges", "--namespace", "kube-system", *_]:
                found = self.applied.get("ConfigMap/kubeon-pod-ranges")
                return json.dumps(found) if found else ""
            case ["poddisruptionbudgets", "--all-namespaces", *_]:
                return json.dumps({"items": self.budgets})
            case ["pods", "--all-namespaces", "-o", drain._LEAN]:
                return "".join(_lean(node, pod) for node, pods in self.workloads.items() for pod in pods)
            case ["daemonset", "kube-proxy", "--namespace", "kube-system", *_]:
                return json.dumps(self.applied.get("DaemonSet/kube-proxy", {}))
            case ["services", "--all-namespaces", "-o", text] if text.startswith("jsonpath="):
                return "".join(f"{name} {address}\n" for name, address in {**self._services(), **self.services}.items())
            case ["deployment", name, "--namespace", "kube-system", *_]:
                return self._deployment(name)
            case ["endpointslice", "kubernetes", "--namespace", "default", *_]:
                return " ".join(sorted(member.address for member in self.etcd.members if member.runs))
        return self._get_trusted(words)

    def _cluster_configuration(self) -> dict[str, Any] | None:
        """With what kubeadm always writes."""
        if not self.configured:
            return self.cluster_configuration
        api = kubeadm_api(Version.parse(self.configured))
        always = {"apiVersion": f"kubeadm.k8s.io/{api}", "kind": "ClusterConfiguration"}
        return always | {"kubernetesVersion": self.configured} | (self.cluster_configuration or {})

    def _services(self) -> dict[str, str]:
        return {
            f"{each['metadata']['namespace']}/{each['metadata']['name']}": each["spec"]["clusterIP"]
            for key, each in self.applied.items()
            if key.startswith("Service/")
        }

    def _deployment(self, name: str) -> str:
        """With pods wherever their image is on a node that is Ready: nobody has a registry to pull it from."""
        found = self.applied.get(f"Deployment/{name}")
        if found is None:
            return ""
        [container] = found["spec"]["template"]["spec"]["containers"]
        assert container["imagePullPolicy"] == "IfNotPresent"
        for volume in found["spec"]["template"]["spec"]["volumes"]:
            data = self.applied[f"ConfigMap/{volume['configMap']['name']}"]["data"]
            assert {item["key"] for item in volume["configMap"]["items"]} <= set(data)
        ready = {name for name, node in self.nodes.items() if READY in node["status"]["conditions"]}
        count = min(found["spec"]["replicas"], len(ready & self.holders(container["image"])))
        return json.dumps(found | {"status": {"availableReplicas": count} if count else {}})

    def _get_trusted(self, words: list[str]) -> str:
        """What the cluster tells of its CAs, and who takes it in."""
        match words:
            case ["configmaps", "--all-namespaces", "--field-selector", "metadata.name=kube-root-ca.crt", "-o", _]:
                return f"default/kube-root-ca.crt {self.root_ca}\nkube-system/kube-root-ca.crt {self.root_ca}\n"
            case ["secrets", "--all-namespaces", "--field-selector", "type=kubernetes.io/service-account-token", *_]:
                return f"default/default-token-x {base64.b64encode(self.root_ca.encode()).decode()}\n"
            case ["configmap", "extension-apiserver-authentication", "--namespace", "kube-system", *_]:
                return json.dumps({"data": self.authentication})
            case ["daemonsets,deployments,statefulsets", "--all-namespaces", "-o", _]:
                system = ["kube-system DaemonSet/kube-proxy", "kube-system Deployment/coredns"]
                return "".join(f"{each}\n" for each in (*system, *self.more_workloads))
        raise AssertionError(f"kubectl get {words}: the fake was not told about it")

    def _write(self, words: list[str], stdin: str) -> str:  # noqa: PLR0911, PLR0912 - one line for each thing it knows
        self.writes.append(tuple(words))
        match words:
            case ["apply", "-f", "-"]:
                return "".join(self._apply(each) for each in quick_yaml.load_all(stdin))
            case ["create", "-f", "-"]:
                objects = list(quick_yaml.load_all(stdin))
                there = [each for each in objects if _key(each) in self.applied]
                self.applied |= {_key(each): each for each in objects if each not in there}
                if there:
                    why = 'Error from server (AlreadyExists): error when creating "STDIN": {} already exists'
                    raise KubectlError("\n".join(why.format(_full(each)) for each in there))
                return ""
            case ["patch", "node", name, "--type", "merge", "--patch", text]:
                change = json.loads(text)
                had, given = (
                    each["spec"].get("podCIDR") if "spec" in each else None for each in (self.nodes[name], change)
                )
                if had and given and had != given:
                    raise KubectlError("spec.podCIDR: Forbidden: may not be changed except from empty to non-empty")
                return _merge(self.nodes[name], change)
            case ["patch", "configmap", "cluster-info", "--namespace", "kube-public", "--type", "merge", _, text]:
                return _merge(self.cluster_info, json.loads(text)["data"])
            case ["patch", "configmap", "kubeon-pod-ranges", "--namespace", "kube-system", "--type", "merge", _, text]:
                self.patched.add("ConfigMap/kubeon-pod-ranges")
                return _merge(self.applied["ConfigMap/kubeon-pod-ranges"], json.loads(text))
            case ["delete", "secret", *names, "--namespace", "kube-system", "--ignore-not-found"]:
                self.secrets = {name: data for name, data in self.secrets.items() if name not in names}
                return ""
            case ["drain", name, "--ignore-daemonsets", "--delete-emptydir-data", "--force", _]:
                self.nodes[name]["spec"]["unschedulable"] = True
                if name in self.blocked:
                    raise KubectlError("cannot evict pod as it would violate the pod's disruption budget")
                self.workloads.pop(name, None)
                return f"node/{name} drained\n"
            case ["create", "--raw", path, "-f", "-"]:
                assert json.loads(stdin)["deleteOptions"] == {"dryRun": ["All"]}
                _, _, _, _, namespace, _, name, query = path.split("/")
                assert query == "eviction?dryRun=All"
                if says := self.held.get(f"{namespace}/{name}"):
                    raise KubectlError(says)
                return ""
            case ["rollout", "status", "daemonset/kube-proxy", *_]:
                if not all(READY in node["status"]["conditions"] for node in self.nodes.values()):
                    raise KubectlError("error: timed out waiting for the condition")
                return ""
            case ["set", "env", "daemonset/kube-proxy", "--namespace", "kube-system", *pairs]:
                found = self.applied["DaemonSet/kube-proxy"]
                [container] = found["spec"]["template"]["spec"]["containers"]
                given = [dict(zip(("name", "value"), pair.split("="), strict=True)) for pair in pairs]
                told = {each["name"] for each in given}
                container["env"] = [each for each in container["env"] if each["name"] not in told] + given
                return "daemonset.apps/kube-proxy env updated\n"
            case ["delete", "configmap", "--namespace", "kube-system", "--selector", selector, *more]:
                assert more[-1] == "--ignore-not-found"
                kept = more[1].replace("metadata.name!=", "").split(",") if more[:1] == ["--field-selector"] else []
                label, _, value = selector.partition("=")
                maps = {key: each["metadata"] for key, each in self.applied.items() if key.startswith("ConfigMap/")}
                for key, metadata in maps.items():
                    if metadata.get("labels", {}).get(label) == value and metadata["name"] not in kept:
                        del self.applied[key]
                return ""
            case ["delete", "node", name, "--ignore-not-found"]:
                self.nodes.pop(name, None)
                return ""
            case ["delete", "pods", "--all-namespaces", "--field-selector", field, *force]:
                assert force == ["--force", "--grace-period=0", "--wait=false"]
                self.workloads.pop(field.removeprefix("spec.nodeName="), None)
                return ""
            case [
                "delete",
                "pods",
                "--selector",
                "k8s-app=kube-proxy",
                "--namespace",
                _,
                "--field-selector",
                field,
                *_,
            ]:
                for machine in self._on(field):
                    machine.start_proxy()
                return ""
            case ["delete", "-f", "-", "--ignore-not-found"]:
                gone = [_key(each) for each in quick_yaml.load_all(stdin) if each]
                return "".join(f"{name} deleted\n" for name in gone if self.applied.pop(name, None))
            case ["delete", "pods", *names, "--namespace", "kube-system", "--wait=false", "--ignore-not-found"]:
                for name in names:
                    del self.system_pods[name]
                return ""
            case ["label", "node", name, "--overwrite", *labels]:
                self.nodes[name]["metadata"]["labels"] |= dict(label.split("=") for label in labels)
                return ""
            case ["taint", "node", name, "--overwrite", *taints]:
                self.nodes[name]["spec"]["taints"] = taints
                return ""
            case ["patch", "configmap", "kubeadm-config", "--namespace", "kube-system", "--type", "merge", _, text]:
                data = {name: quick_yaml.load(each) for name, each in json.loads(text)["data"].items()}
                self.cluster_status = data.get("ClusterStatus", self.cluster_status)
                if "ClusterConfiguration" in data:
                    assert data["ClusterConfiguration"] in self.read_back, "kubeadm has not read it"
                    self.cluster_configuration = data["ClusterConfiguration"]
                return ""
            case ["patch", "configmap", "kubelet-config", "--namespace", "kube-system", "--type", "merge", _, text]:
                return _merge(self.configmaps["kubelet-config"], json.loads(text)["data"])
            case ["delete", "configmap", "extension-apiserver-authentication", "--namespace", "kube-system", _]:
                self.authentication = {}
                return ""
            case ["rollout", "restart", "--namespace", namespace, *names]:
                self.rolled += [f"{namespace} {name}" for name in names]
                self.trusted_by_pods = self.root_ca
                return ""
            case ["rollout", "status", "--namespace", namespace, name, "--timeout=300s"]:
                assert f"{namespace} {name}" in self.rolled
                return ""
            case ["delete", "pods,serviceaccounts", "--selector", "app=kubeon-verify", *_]:
                self.leaving.update(self.pods)
                for name in self.pods:
                    del self.applied[f"Pod/{name}"]
                self.pods.clear()
                self.applied.pop("ServiceAccount/kubeon-verify", None)
                return ""
        raise AssertionError(f"kubectl {words}: the fake was not told about it")

    def problem_of(self, machine: Any, server: str, name: str) -> str:
        """Why a machine reaches no API server with this name in its certificate at this address; "" when it does."""
        host, _, port = server.rpartition(":")
        control_planes = [each for each in self.machines.values() if each.is_control_plane]
        cluster_ips = {
            each["spec"]["clusterIP"]: each["metadata"]["name"]
            for each in list(self.applied.values())  # others apply meanwhile
            if each.get("kind") == "Service"
        }
        if host == "127.0.0.1":
            runs = "/etc/kubernetes/manifests/local-haproxy.yaml" in machine.files and machine.kubelet_runs
        elif host in cluster_ips:
            runs = any(each.startswith("EndpointSlice/") for each in self.applied)
        elif host in self.machines:
            runs, control_planes = port == "6443", [each for each in control_planes if each.address == host]
        else:
            runs = server in self.balancers and not self.balancer_fails
        if not runs or not control_planes:
            return self.balancer_fails or f"The connection to the server {server} was refused"
        strangers = [each.name for each in control_planes if name not in each.serves_names]
        return f"x509: certificate of {', '.join(strangers)} is not valid for {name}" if strangers else ""

    def _on(self, field: str) -> list[Any]:
        name = field.removeprefix("spec.nodeName=")
        return [each for each in self.machines.values() if each.name == name]

    def register(self, name: str, version: str, *, ready: bool, address: str, machine_id: str) -> None:
        """What a kubelet does when it starts."""
        with self._lock:
            new = {"metadata": {"name": name, "labels": {}}, "spec": {}, "status": {}}
            self.nodes.setdefault(name, new)["status"] = {
                "nodeInfo": {
                    "kubeletVersion": version,
                    "machineID": machine_id,
                    "containerRuntimeVersion": "containerd://1.7.34",
                },
                "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
                "conditions": [READY if ready else {"type": "Ready", "status": "False", "message": "no network"}],
            }

    def accepts(self, token: str) -> bool:
        """May a node join with this token, and has cluster-info been signed with it?"""
        identifier, _, secret = token.partition(".")
        with self._lock:
            known = self.secrets.get(f"bootstrap-token-{identifier}", {}).get("token-secret") == secret
            signature = self.cluster_info.get(f"jws-kubeconfig-{identifier}")
            return known and signature == detached_signature(self.cluster_info["kubeconfig"], token)

    def _apply(self, each: dict[str, Any]) -> str:
        if each["kind"] == "List":
            return "".join(map(self._apply, each["items"]))
        kind, name = each["kind"], each["metadata"]["name"]
        if kind == "Secret":
            self.secrets[name] = each["stringData"]
        elif kind == "Pod":
            assert name not in self.leaving, "a pod that is about to go is not made again by applying it"
            number = len(self.pods) + 1
            status = {"podIP": f"10.244.{number // 250}.{number % 250}", "conditions": [READY]}
            self.pods[name] = {"metadata": each["metadata"], "spec": each["spec"], "status": status}
        elif kind not in KINDS:
            raise AssertionError(f"apply {kind}: the fake was not told about it")
        was, self.applied[_key(each)] = self.applied.get(_key(each)), each
        how = "created" if was is None else "unchanged" if was == each else "configured"
        if _key(each) in self.patched:  # kubectl's own note of what was applied last is another one
            how = "configured"
            self.patched.remove(_key(each))
        return f"{kind.lower()}/{name} {how}\n"


def _key(each: dict[str, Any]) -> str:
    """In namespace default somebody else may have the same name."""
    metadata = each["metadata"]
    where = f"{metadata['namespace']}/" if metadata.get("namespace") == "default" else ""
    return f"{each['kind']}/{where}{metadata['name']}"


def _full(each: dict[str, Any]) -> str:
    """As `-o name` has it."""
    return f"{each['kind'].lower()}{GROUPS[each['kind']]}/{each['metadata']['name']}"


def _secret(name: str, data: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}}


def _proxy(machine: Any) -> dict[str, Any]:
    number, _ = machine.proxy
    uid = f"proxy-{number}"
    return {"metadata": {"name": f"kube-proxy-{number}", "uid": uid}, "status": {"conditions": [READY]}}


def _lean(node: str, pod: dict[str, Any]) -> str:
    """A line, as kubectl's jsonpath gives it."""
    meta = pod["metadata"]
    owners = " ".join(owner["kind"] for owner in meta.get("ownerReferences", []))
    mirror = meta.get("annotations", {}).get("kubernetes.io/config.mirror", "")
    phase, leaving = pod.get("status", {}).get("phase", "Running"), meta.get("deletionTimestamp", "")
    labels = json.dumps(meta["labels"]) if "labels" in meta else ""
    fields = (meta["namespace"], meta["name"], node, phase, owners, mirror, leaving, labels)
    return "\t".join(fields) + "\n"


def _merge(target: dict[str, Any], change: dict[str, Any]) -> str:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value
    return ""
