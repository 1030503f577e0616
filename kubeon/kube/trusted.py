"""What the cluster itself tells of its CA: to those who join, to pods, to API servers that are aggregated."""

import base64
import json
from collections.abc import Sequence

from kubeon import quick_yaml
from kubeon.errors import CommandError, OperationError
from kubeon.kube.kubectl import Kubectl
from kubeon.waiting import wait_until

PUBLISHED_WITHIN = 180  # seconds for the controller manager to tell all namespaces; a new leader waits half a minute
ROLLED_WITHIN = 300  # seconds for the pods of one workload to be replaced
_CLUSTER_INFO = ("configmap", "cluster-info", "--namespace", "kube-public")
_AUTHENTICATION = ("configmap", "extension-apiserver-authentication", "--namespace", "kube-system")
# Only the CAs: tokens stay where they are.
_EACH = '{range .items[*]}{.metadata.namespace}/{.metadata.name} {.data.ca\\.crt}{"\\n"}{end}'
_WORKLOADS = ("daemonsets,deployments,statefulsets", "--all-namespaces")
_NAMES = '{range .items[*]}{.metadata.namespace} {.kind}/{.metadata.name}{"\\n"}{end}'
SYSTEM = "kube-system"


def publish_cluster_info(api: Kubectl, bundle: bytes) -> bool:
    """Put these CAs into cluster-info, for `kubeadm join`; says whether it changed. The controller manager signs it."""
    data = (api.get(*_CLUSTER_INFO) or {}).get("data", {})
    document = quick_yaml.load(data.get("kubeconfig", ""))
    if not isinstance(document, dict) or not document.get("clusters"):
        return False
    cluster, wanted = document["clusters"][0]["cluster"], base64.b64encode(bundle).decode()
    if cluster.get("certificate-authority-data") == wanted:
        return False
    cluster["certificate-authority-data"] = wanted
    patch = json.dumps({"data": {"kubeconfig": quick_yaml.dump(document)}})
    api.run("patch", *_CLUSTER_INFO, "--type", "merge", "--patch", patch)
    return True


def wait_for_root_ca(api: Kubectl, bundle: bytes) -> None:
    """Until every namespace's kube-root-ca.crt and every service account's token Secret hold these CAs.

    The controller manager writes both. Raises OperationError naming those that it did not.
    """
    late: list[str] = []

    def published() -> bool:
        text = api.run(
            *("get", "configmaps", "--all-namespaces", "--field-selector", "metadata.name=kube-root-ca.crt"),
            *("-o", f"jsonpath={_EACH}"),
        )
        late[:] = [name for name, ca in _rows(text) if ca.strip() != bundle.decode().strip()]
        text = api.run(
            *("get", "secrets", "--all-namespaces", "--field-selector", "type=kubernetes.io/service-account-token"),
            *("-o", f"jsonpath={_EACH}"),
        )
        late.extend(name for name, ca in _rows(text) if base64.b64decode(ca).strip() != bundle.strip())
        return not late

    if not wait_until(published, seconds=PUBLISHED_WITHIN, pause=0.5, longest=2.0):
        raise OperationError(
            f"{len(late)} namespaces were not told of the CAs within {PUBLISHED_WITHIN} s",
            why=", ".join(late[:10]),
            hint="look at the logs of kube-controller-manager",
        )


def forget_published_authorities(api: Kubectl) -> None:
    """Have API servers publish their client CAs afresh: by themselves they only ever add to what stands there."""
    api.run("delete", *_AUTHENTICATION, "--ignore-not-found")
    if not wait_until(lambda: bool(api.get(*_AUTHENTICATION)), seconds=PUBLISHED_WITHIN):
        raise OperationError("the API servers did not publish their client CAs again")


def workloads(api: Kubectl) -> dict[str, list[str]]:
    """Everything that makes pods anew when it is restarted ("Deployment/coredns"), by namespace."""
    found: dict[str, list[str]] = {}
    for line in api.run("get", *_WORKLOADS, "-o", f"jsonpath={_NAMES}").splitlines():
        namespace, _, name = line.partition(" ")
        found.setdefault(namespace, []).append(name)
    return found


def restart_workloads(api: Kubectl, namespace: str, names: Sequence[str]) -> list[str]:
    """Replace their pods as their strategies say, and wait; what did not end well, a line each."""
    if not names:
        return []
    api.run("rollout", "restart", "--namespace", namespace, *names)
    problems = []
    for name in names:
        words = ("rollout", "status", "--namespace", namespace, name, f"--timeout={ROLLED_WITHIN}s")
        try:
            api.run(*words, timeout=ROLLED_WITHIN + 30)
        except CommandError as error:
            last = error.why.splitlines()
            problems.append(f"{namespace} {name}: {last[-1] if last else error.what}")
    return problems


def _rows(text: str) -> list[tuple[str, str]]:
    """A PEM text has lines of its own: a row begins with namespace/name and ends before the next."""
    rows: list[tuple[str, str]] = []
    for line in text.splitlines():
        name, space, rest = line.partition(" ")
        if space and "/" in name and not line.startswith("-----"):
            rows.append((name, rest))
        elif rows:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]}\n{line}")
    return rows
