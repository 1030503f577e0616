"""The exact material of a cluster: every file and every image, computed, never maintained by hand but for versions."""

from dataclasses import dataclass

from kubeon.bundle.kubeadm import images_by_kubeadm, machine_architecture
from kubeon.bundle.manifests import manifest_artifacts, plugin_manifest
from kubeon.bundle.store import Store
from kubeon.cni.base import images_of
from kubeon.cri import CRIS
from kubeon.etcd.snapshots import ETCDUTL
from kubeon.lb import LBS
from kubeon.spec.images import ImageName
from kubeon.spec.material import EVERYWHERE, FileArtifact, ImageArtifact, Install
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.releases import components, kubeadm_images

KUBERNETES = "https://dl.k8s.io/release"
GITHUB = "https://github.com"
ARCHITECTURES = ("amd64", "arm64")
_CONTROL_PLANE_ONLY = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")


@dataclass(frozen=True)
class Material:
    """All of it, for one architecture. `manifest` is what `kubectl apply` gets for the network plug-in."""

    files: tuple[FileArtifact, ...]  # for every host
    images: tuple[ImageArtifact, ...]
    manifest: str

    @property
    def references(self) -> tuple[str, ...]:
        """The images' references, for the container runtime's configuration."""
        return tuple(image.reference for image in self.images)

    def images_for(self, role: Role) -> tuple[ImageArtifact, ...]:
        """The images that nodes of a role run."""
        return tuple(image for image in self.images if role in image.roles)


def material(spec: ClusterSpec, architecture: str, store: Store) -> Material:
    """What the cluster needs. Fetches kubeadm, when it can run here, and the plug-in's manifest; both are small enough.

    Raises BundleError when they cannot be had.
    """
    files = host_files(spec, architecture)
    here = machine_architecture()
    references = images_by_kubeadm(spec.kubernetes, kubeadm(spec, here) if here else None, store)
    manifest = plugin_manifest(spec, store)
    names = dict.fromkeys([*(references or kubeadm_images(spec.kubernetes)), *images_of(manifest)])
    images = (*(_image(name) for name in names), *LBS[spec.load_balancer.mode].images(spec))
    return Material(files, images, manifest)


def host_files(spec: ClusterSpec, architecture: str) -> tuple[FileArtifact, ...]:
    """The files of every host; asks nobody."""
    chosen = components(spec)
    return (
        *(_kubernetes(name, spec, architecture) for name in ("kubeadm", "kubelet", "kubectl")),
        *CRIS[spec.runtime.name].artifacts(spec, architecture),
        _cni_plugins(chosen.cni_plugins, architecture),
        _crictl(chosen.crictl, architecture),
    )


def kubeadm(spec: ClusterSpec, architecture: str) -> FileArtifact:
    """kubeadm alone."""
    return _kubernetes("kubeadm", spec, architecture)


def etcdutl(version: str, architecture: str) -> FileArtifact:
    """etcd's own tool for snapshots, for hosts whose image of etcd lacks it.

    Since 3.6 etcdctl does not describe and restore them any more, and kubeadm's images of 3.6.0 to 3.6.4 (Kubernetes
    1.34.0 and 1.34.1) were built without etcdutl (Netcracker/KubeMarine#775).
    """
    base, name = f"{GITHUB}/etcd-io/etcd/releases/download/v{version}", f"etcd-v{version}-linux-{architecture}"
    place = Install(f"{name}/etcdutl", ETCDUTL)
    return FileArtifact("etcdutl", version, f"{base}/{name}.tar.gz", f"{base}/SHA256SUMS", installs=(place,))


def all_files(spec: ClusterSpec, architecture: str) -> tuple[FileArtifact, ...]:
    """Everything that is fetched as a file, the plug-in's manifest included; asks nobody."""
    return (*host_files(spec, architecture), *manifest_artifacts(spec))


def _kubernetes(name: str, spec: ClusterSpec, architecture: str) -> FileArtifact:
    url = f"{KUBERNETES}/{spec.version}/bin/linux/{architecture}/{name}"
    return FileArtifact(name, spec.version, url, f"{url}.sha256", installs=(Install("", f"/usr/local/bin/{name}"),))


def _cni_plugins(version: str, architecture: str) -> FileArtifact:
    base = f"{GITHUB}/containernetworking/plugins/releases/download/v{version}"
    url = f"{base}/cni-plugins-linux-{architecture}-v{version}.tgz"
    return FileArtifact("cni-plugins", version, url, f"{url}.sha256", installs=(Install("", "/opt/cni/bin/"),))


def _crictl(version: str, architecture: str) -> FileArtifact:
    base = f"{GITHUB}/kubernetes-sigs/cri-tools/releases/download/v{version}"
    url = f"{base}/crictl-v{version}-linux-{architecture}.tar.gz"
    return FileArtifact("crictl", version, url, f"{url}.sha256", installs=(Install("crictl", "/usr/local/bin/crictl"),))


def _image(reference: str) -> ImageArtifact:
    name = ImageName.parse(reference).path.rpartition("/")[2]
    return ImageArtifact(reference, (Role.CONTROL_PLANE,) if name in _CONTROL_PLANE_ONLY else EVERYWHERE)
