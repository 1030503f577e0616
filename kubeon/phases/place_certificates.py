"""Certificates, keys and kubeconfigs, issued on the control machine; only what a node needs is sent to it."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kubeon.cluster.context import Cluster, Step
from kubeon.cluster.leaves import leaf_request
from kubeon.hosts.files import File, ensure_files_script
from kubeon.hosts.host import Host
from kubeon.pki import issuing
from kubeon.pki.leaves import KUBELET_CLIENT_LINK, KUBELET_CLIENT_PEM, PKI, SUPER_ADMIN
from kubeon.waiting import SYSTEM_CLOCK


class PlaceCertificates(Step):
    """Issue what is missing or unfit, and leave alone what is fit."""

    name = "place-certificates"
    title = "Place certificates"

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """A host without a kubelet.conf has none of them."""
        if host.facts.kubelet_kubeconfig:
            return ()
        whose = "the control plane and the kubelet" if ctx.is_control_plane(host) else "the kubelet"
        return (f"place certificates for {whose}, valid {ctx.spec.certificates.validity}",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Read what is there, issue the rest, write it."""
        request, now = replace(leaf_request(ctx, host), super_admin=True), SYSTEM_CLOCK.now()
        control_plane = ctx.is_control_plane(host)
        authorities = {
            f"{PKI}/{name}": content for name, content in ctx.ca.to_files().items() if control_plane or name == "ca.crt"
        }
        existing = host.read_files(issuing.paths(request, control_plane=control_plane))
        # where `kubeadm init` runs, or ran; another control plane that is asked later does not get one
        begins = host is ctx.bootstrap and not host.facts.kubelet_config
        request = replace(request, super_admin=begins or SUPER_ADMIN in existing)
        issued = issuing.kubelet_serving(ctx.ca, request, now, existing)
        issued |= issuing.kubelet_client(ctx.ca, request, now, existing)
        if control_plane:
            issued |= issuing.control_plane_files(ctx.ca, request, now, existing)
        script = "set -e\n" + ensure_files_script(_files(authorities | issued.files))
        if KUBELET_CLIENT_PEM in issued.files:
            script += f"ln -sfn {shlex.quote(KUBELET_CLIENT_PEM)} {shlex.quote(KUBELET_CLIENT_LINK)}\n"
        return host.change(script, what="place certificates").splitlines()


def _files(contents: Mapping[str, bytes]) -> list[File]:
    return [
        File(path, content.decode(), 0o644 if path.endswith((".crt", ".pub")) else 0o600, secret=True)
        for path, content in contents.items()
    ]
