"""The network plug-in's manifest: fetched, or a chart rendered by Helm on this machine; with the spec's values."""

import json
import subprocess
import tarfile
from pathlib import Path

from kubeon.bundle.kubeadm import machine_architecture
from kubeon.bundle.store import Store
from kubeon.cni import CNIS
from kubeon.cni.base import Chart
from kubeon.errors import BundleError
from kubeon.spec.material import FileArtifact
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import table

_TIMEOUT = 120  # seconds


def manifest_artifacts(spec: ClusterSpec) -> tuple[FileArtifact, ...]:
    """What is fetched on the control machine for the plug-in's manifest."""
    plugin = CNIS[spec.networking.plugin]
    return (*plugin.manifests(spec), *((_helm(),) if plugin.chart(spec) else ()))


def plugin_manifest(spec: ClusterSpec, store: Store) -> str:
    """The text for `kubectl apply`, "" when the plug-in has none. Raises BundleError."""
    plugin = CNIS[spec.networking.plugin]
    chart = plugin.chart(spec)
    fetched = {}
    for artifact in plugin.manifests(spec):
        path = store.fetch(artifact).path
        if chart and artifact.name == chart.artifact:
            fetched[artifact.name] = _render(chart, path, spec, store)
        else:
            fetched[artifact.name] = path.read_text(encoding="utf-8")
    return plugin.manifest(spec, fetched)


def _helm() -> FileArtifact:
    architecture = machine_architecture()
    if not architecture:
        raise BundleError(
            "this network plug-in is a Helm chart, and Helm is fetched for Linux on amd64 and arm64 only",
            hint="use such a control machine, or another network plug-in",
        )
    version = table().helm
    url = f"https://get.helm.sh/helm-v{version}-linux-{architecture}.tar.gz"
    return FileArtifact("helm", version, url, f"{url}.sha256sum")


def _render(chart: Chart, path: Path, spec: ClusterSpec, store: Store) -> str:
    archive = store.fetch(_helm())
    with store.partial(f"helm {spec.name}") as helm, store.partial(f"chart {spec.name}") as packed:
        with tarfile.open(archive.path, "r:gz") as tar:
            member = next((info for info in tar if info.isfile() and info.name.endswith("/helm")), None)
            content = tar.extractfile(member) if member else None
            if content is None:
                raise BundleError(f"{_helm().url} is not the archive expected", why="it lacks helm")
            helm.write_bytes(content.read())
        helm.chmod(0o700)
        packed.write_bytes(path.read_bytes())
        words = [str(helm), "template", chart.release, str(packed), f"--namespace={chart.namespace}", "--values=-"]
        words += [f"--kube-version={spec.version}", "--include-crds"]
        values = json.dumps(chart.values)  # JSON is YAML
        answer = subprocess.run(words, input=values, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if answer.returncode:
        raise BundleError("Helm cannot render the network plug-in's chart", why=answer.stderr.strip())
    return answer.stdout
