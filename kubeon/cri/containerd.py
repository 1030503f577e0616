"""containerd 1.6 and newer, as a unit of its own, with runc and the overlayfs snapshotter.

Configuration fields: containerd's docs/cri/config.md (generation 2 for 1.x, 3 since 2.0) and docs/hosts.md.
"""

import json
import shlex
from collections.abc import Collection, Sequence

from kubeon import assets
from kubeon.cri.base import PresentImage, Remains, cgroup_driver
from kubeon.hosts.facts import Facts
from kubeon.hosts.files import File
from kubeon.render import render
from kubeon.spec.images import ImageName, registry_url
from kubeon.spec.material import FileArtifact, Install
from kubeon.spec.model import ClusterSpec
from kubeon.spec.releases import components, numbers, pause_image

CONFIG = "/etc/containerd/config.toml"
CERTS = "/etc/containerd/certs.d"
UNIT = "/etc/systemd/system/containerd.service"
CTR = "ctr -n k8s.io"  # on an adopted node it is where a package put it; PATH is that of transport/script.py
PIN_LABEL = "io.cri-containerd.pinned=pinned"
_OLDEST = (1, 6, 0)
_BUNDLES = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"  # a folder for each task, until it is deleted
# Of a container that was restarted the runtime keeps the dead ones for a while. It fails where containerd does not say:
# silence would be taken for an end.
_RUNNING = f"""\
running() {{
    tasks=$({CTR} tasks ls) && ids=$({CTR} containers ls -q "labels.\\"io.kubernetes.container.name\\"==$1") || return
    for id in $ids; do
        status=$(printf '%s\\n' "$tasks" | awk -v id="$id" '$1 == id {{ print $3 }}')
        # the list lacks those whose shim is too slow (addTasks in containerd's plugins/services/tasks/local.go)
        if [ -z "$status" ] && [ -d "{_BUNDLES}/$id" ]; then status=UNKNOWN; fi
        case $status in RUNNING | UNKNOWN) printf '%s\\n' "$id" ;; esac
    done
}}
"""
# Such a container has a network of its own, with nothing in it but lo.
_IMAGE = f"""\
in_container() {{{{
    container=$1
    shift
    {CTR} run --rm --mount type=bind,src={{folder}},dst={{folder}},options=rbind:rw {{image}} "$container" "$@"
}}}}
in_image() {{{{ in_container "kubeon-$$-$(date +%N)" "$@"; }}}}
beside() {{{{
    container=$1
    shift
    {CTR} tasks exec --exec-id "kubeon-$$-$(date +%N)" "$container" "$@"
}}}}
end() {{{{
    {CTR} tasks kill --signal SIGKILL "$1"
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        {CTR} containers ls -q | grep -qxF "$1" || break
        {CTR} tasks delete --force "$1"
        {CTR} containers delete "$1"
        sleep 0.2
    done
    {CTR} snapshots remove "$1"
}}}} >/dev/null 2>&1
"""
COMMON_REGISTRIES = {"docker.io", "ghcr.io", "quay.io", "registry.k8s.io"}  # where images of users' pods come from


class Containerd:
    """The runtime of every cluster so far."""

    name = "containerd"
    unit = "containerd.service"
    socket = "unix:///run/containerd/containerd.sock"

    def problems(self, spec: ClusterSpec) -> tuple[tuple[str, str], ...]:
        """Only its version can be wrong."""
        version = components(spec).containerd
        try:
            release = numbers(version)
        except ValueError:
            return (("components.containerd", f"{version!r} is not a version of containerd; write it as 1.7.34"),)
        if release < _OLDEST:
            return (("components.containerd", f"containerd {version} is too old; kubeon knows 1.6 and newer"),)
        if release >= (2, 0, 0) and not spec.kubernetes.at_least(26):
            # containerd 2.0 dropped CRI v1alpha2; kubelets before 1.23 speak nothing else, up to 1.25 it is untested
            return (("components.containerd", f"containerd {version} is too new for {spec.version}; take 1.7 or 1.6"),)
        return ()

    def artifacts(self, spec: ClusterSpec, architecture: str) -> tuple[FileArtifact, ...]:
        """containerd and runc."""
        chosen = components(spec)
        return (_containerd(chosen.containerd, architecture), _runc(chosen.runc, architecture))

    def doubts(self, spec: ClusterSpec) -> tuple[str, ...]:
        """containerd 1.x with newer Kubernetes than upstream tests it with (RELEASES.md, "Kubernetes support")."""
        version = components(spec).containerd
        if numbers(version) >= (2, 0, 0) or not spec.kubernetes.at_least(36):
            return ()
        # 1.x lacks CRI's RuntimeConfig, and the kubelet's own answer is to go (kubernetes/kubernetes#139121
        # and #139122); v1.38.0-beta.0 still has it
        ends = "kubeadm and the kubelet warn that support of 1.x ends with Kubernetes 1.38"
        return (f"containerd {version} with {spec.version}: upstream tests 2.2 and newer, and {ends}",)

    def files(self, spec: ClusterSpec, facts: Facts, images: Sequence[str]) -> tuple[File, ...]:
        """Configuration, unit, crictl's configuration, and a hosts.toml for every registry that `images` name."""
        release = numbers(components(spec).containerd)
        generation = 3 if release >= (2, 0, 0) else 2
        config = render(
            "kubeon.cri",
            f"containerd-{generation}.toml.j2",
            {
                "pause": pause_image(tuple(images)),
                "systemd_cgroup": cgroup_driver(spec, facts) == "systemd",
                "restrict_oom": facts.restricted_oom,
                "certs": CERTS,
                # bin_dir was to go with 2.3; bin_dirs is there since 2.1
                "bin_dir": 'bin_dirs = ["/opt/cni/bin"]' if release >= (2, 1, 0) else 'bin_dir = "/opt/cni/bin"',
            },
        )
        crictl = f"runtime-endpoint: {self.socket}\nimage-endpoint: {self.socket}\ntimeout: 10\n"
        return (
            File(CONFIG, config),
            File(UNIT, assets.systemd("containerd.service")),
            File("/etc/crictl.yaml", crictl),
            *_registry_files(spec, images),
        )

    def restarts(self, changed: Collection[str]) -> tuple[str, ...]:
        """containerd reads certs.d at every pull, and crictl.yaml is not its own."""
        return (self.unit,) if {CONFIG, UNIT} & set(changed) else ()

    def list_script(self) -> str:
        """One line an image: name, digest, labels."""
        return f"images=$({CTR} images ls) || exit\nprintf '%s\\n' \"$images\" | awk 'NR > 1 {{ print $1, $3, $NF }}'\n"

    def parse_images(self, output: str) -> dict[str, PresentImage]:
        """The opposite of `list_script`; names that are only a digest are left out."""
        images = {}
        for line in output.splitlines():
            words = line.split()
            if len(words) == 3 and not words[0].startswith("sha256:"):
                images[words[0]] = PresentImage(digest=words[1], pinned=PIN_LABEL in words[2].split(","))
        return images

    def import_script(self) -> str:
        """Whole or not at all for each image; what is there already is not written again. ctr 2.x prints pages."""
        return f"{CTR} images import - >/dev/null\n"

    def pin_script(self, references: Sequence[str]) -> str:
        """containerd 1.7 and newer tell the kubelet of the label; older ones keep it without effect."""
        return "".join(
            f"{CTR} images label {shlex.quote(reference)} {PIN_LABEL} >/dev/null\n" for reference in references
        )

    def unpin_script(self, references: Sequence[str]) -> str:
        """A label without a value is none."""
        key = PIN_LABEL.partition("=")[0]
        return "".join(f"{CTR} images label {shlex.quote(each)} {key}= >/dev/null\n" for each in references)

    def inside_script(self, container: str, words: Sequence[str]) -> str:
        """Not by crictl: ctr comes with the runtime, and asks neither the kubelet nor the API."""
        return (
            f"{_RUNNING}ids=$(running {container}) || exit\nid=${{ids%%[[:space:]]*}}\n"
            f'[ -n "$id" ] || {{ echo "no container {container} runs on this host" >&2; exit 1; }}\n'
            f'{CTR} tasks exec --exec-id "kubeon-$$-$(date +%N)" "$id" {shlex.join(words)}\n'
        )

    def image_script(self, image: str, folder: str) -> str:
        """By ctr: the kubelet is not asked, and what it does not know it does not end."""
        return _IMAGE.format(image=shlex.quote(image), folder=folder)

    def running_script(self) -> str:
        """By the label that the kubelet gives them."""
        return _RUNNING

    def stop_script(self, container: str, *, at_once: bool = False) -> str:
        """A signal to its first process, as the kubelet itself sends it."""
        kill = f"{CTR} tasks kill --signal {'SIGKILL' if at_once else 'SIGTERM'}"
        return f'{_RUNNING}ids=$(running {container}) || exit\nfor id in $ids; do {kill} "$id"; done\n'

    def remains(self) -> Remains:
        """Shims outlive the unit on purpose (KillMode=process), so they are named."""
        return Remains(
            units=(self.unit,),
            paths=(
                *("/etc/containerd", "/var/lib/containerd", "/run/containerd", "/etc/crictl.yaml", "/opt/containerd"),
                UNIT,
            ),
            mounts=("/run/containerd", "/var/lib/containerd/tmpmounts"),
            processes=("containerd-shim-runc-v2",),
        )


def _registry_files(spec: ClusterSpec, images: Sequence[str]) -> tuple[File, ...]:
    """Pulls of these registries' images go to the configured one first, then to where the name says."""
    if not spec.sources.registry:
        return ()
    upstreams = sorted({ImageName.parse(image).registry for image in images} | COMMON_REGISTRIES)
    return tuple(
        File(
            f"{CERTS}/{upstream}/hosts.toml",
            render(
                "kubeon.cri",
                "hosts.toml.j2",
                {
                    "server": json.dumps(registry_url(upstream)),
                    "mirror": json.dumps(_mirror_url(spec.sources.registry, upstream)),
                },
            ),
        )
        for upstream in upstreams
    )


def _mirror_url(registry: str, upstream: str) -> str:
    """http://host:5000/v2/folder/registry.k8s.io: /v2 comes first, whatever folder the registry's name has."""
    scheme, _, rest = registry.rpartition("://")
    host, _, folder = rest.strip("/").partition("/")
    parts = ["v2", folder, upstream] if folder else ["v2", upstream]
    return f"{scheme or 'https'}://{host}/" + "/".join(parts)


def _containerd(version: str, architecture: str) -> FileArtifact:
    # The plain archives are linked to the glibc of the Ubuntu they were built on: 2.27 for 1.6, 2.31 for 1.7 and 2.0,
    # 2.35 since 2.1, which leaves out RHEL 8 and 9. The static ones run everywhere.
    static = "static-" if numbers(version) >= (1, 7, 10) else ""
    base = f"https://github.com/containerd/containerd/releases/download/v{version}"
    url = f"{base}/containerd-{static}{version}-linux-{architecture}.tar.gz"
    return FileArtifact("containerd", version, url, f"{url}.sha256sum", installs=(Install("bin", "/usr/local/bin/"),))


def _runc(version: str, architecture: str) -> FileArtifact:
    base = f"https://github.com/opencontainers/runc/releases/download/v{version}"
    place = Install("", "/usr/local/sbin/runc")
    return FileArtifact("runc", version, f"{base}/runc.{architecture}", f"{base}/runc.sha256sum", installs=(place,))
