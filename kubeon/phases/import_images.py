"""Images into the runtime, so that no node ever needs a registry to start."""

from collections.abc import Sequence

from kubeon.bundle.images import image_archive
from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.options import UPLOADS
from kubeon.hosts.host import Host

TIMEOUT = 1800  # seconds


class ImportImages(Step):
    """One question, then one archive with all that is missing, each layer once; all are pinned."""

    name = "import-images"
    title = "Import images"
    limit = UPLOADS

    def goes_first(self, ctx: Cluster, host: Host) -> bool:
        """All others wait for `kubeadm init` in the end, so the whole uplink serves the bootstrap node first."""
        return host is ctx.bootstrap

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """How many, for a host that is new."""
        count = len(ctx.material(host).images_for(host.node.role))
        return () if host.facts.mark else (f"import {count} images",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Compare digests: a tag that was moved is imported again."""
        images = ctx.material(host).images_for(host.node.role)
        wanted = [ctx.registry.fetch(image, host.facts.architecture) for image in images]
        present = ctx.cri.parse_images(host.ask(ctx.cri.list_script(), what="list images"))
        missing = [
            image
            for image in wanted
            if image.reference not in present or present[image.reference].digest != image.digest
        ]
        if missing:
            ctx.reporter.note(f"sending {len(missing)} images", host=host.name)
            host.change(ctx.cri.import_script(), stdin=image_archive(missing), timeout=TIMEOUT, what="import images")
        unpinned = [one.reference for one in wanted if one in missing or not present[one.reference].pinned]
        if unpinned:
            host.change(ctx.cri.pin_script(unpinned), what="pin images")
        return [f"image {image.reference}" for image in missing]
