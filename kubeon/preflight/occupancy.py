"""Does the host belong to somebody else: another cluster, another Kubernetes, another runtime."""

from collections.abc import Iterator

from kubeon.preflight.base import Candidate, Check, Finding, Subject, each

_DISTRIBUTIONS = {
    "k3s": "k3s",
    "k3s-agent": "k3s",
    "rke2-server": "RKE2",
    "rke2-agent": "RKE2",
    "k0scontroller": "k0s",
    "k0sworker": "k0s",
    "snap.microk8s.daemon-kubelite": "MicroK8s",
    "snap.microk8s.daemon-containerd": "MicroK8s",
}


def another_cluster(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """A host that is, or was, a node of a cluster that is not this one is never taken over."""
    if c.ours:
        return
    name = c.facts.mark.cluster
    if name and name != subject.spec.name:
        yield c.error("AnotherCluster", f"it belongs to cluster {name}", f"`kubeon destroy {name}` frees its hosts")
    elif name:
        what = f"it belongs to another cluster that is called {name} too: the CAs differ"
        yield c.error("AnotherCluster", what, "choose another name, or destroy that cluster first")
    elif evidence := _traces(c):
        yield c.error(
            "AnotherCluster",
            f"it is a node of a cluster that kubeon did not make, or was one ({', '.join(evidence)})",
            "`kubeadm reset` on it clears that, and loses what is there",
        )


def _traces(c: Candidate) -> list[str]:
    facts = c.facts
    traces = {
        "/etc/kubernetes/kubelet.conf": facts.kubelet_kubeconfig,
        "/etc/kubernetes/pki/ca.crt": bool(facts.ca_fingerprint),
        "/etc/kubernetes/manifests": bool(facts.static_pods),
        "/var/lib/etcd": facts.etcd_data,
    }
    return [path for path, there in traces.items() if there]


def other_kubernetes(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Distributions of Kubernetes that bring everything themselves, and a kubelet that idles."""
    del subject
    for name in sorted({_DISTRIBUTIONS[unit] for unit in c.facts.active_units if unit in _DISTRIBUTIONS}):
        yield c.error("OtherKubernetes", f"{name} runs here", f"uninstall {name}")
    if "kubelet" in c.facts.active_units and not c.ours and not c.facts.kubelet_kubeconfig:
        what = "a kubelet of another installation is started over and over: kubeon's takes its place"
        yield c.warning("OtherKubernetes", what, "remove its package, lest an update puts it back")


def runtimes(subject: Subject, c: Candidate) -> Iterator[Finding]:
    """Other container runtimes may stay beside; a containerd that is there already would be replaced."""
    del subject
    units = c.facts.active_units
    if "docker" in units and not c.joined:
        yield c.warning("Docker", "Docker runs here: it stays, and Kubernetes does not use it")
    if "crio" in units and not c.joined:
        yield c.warning("CRIO", "CRI-O runs here: it stays, and Kubernetes does not use it")
    packaged = c.facts.containerd_unit and not c.facts.containerd_unit.startswith("/etc/systemd/system/")
    if "containerd" not in units or c.ours or not packaged:
        return
    if c.facts.containers:
        yield c.error(
            "Containerd",
            f"{c.facts.containers} containers run on a containerd that was installed from a package",
            "kubeon's containerd would take its place: move them away and remove the package, or ignore this check",
        )
    else:
        what = "containerd from a package runs here: kubeon's own, in /usr/local/bin, takes its place"
        yield c.warning("Containerd", what, "remove the package, lest an update restarts it")


CHECKS = (
    Check(each(another_cluster), ("AnotherCluster",)),
    Check(each(other_kubernetes), ("OtherKubernetes",)),
    Check(each(runtimes), ("Docker", "CRIO", "Containerd")),
)
