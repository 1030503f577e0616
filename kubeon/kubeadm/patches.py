"""Changes to kubeadm's static pods that some releases need, as files for kubeadm's own patch folder on a host."""

from kubeon.hosts.files import File
from kubeon.spec.versions import Version

FOLDER = "/etc/kubernetes/patches"
# A kubelet that has just started may not know its disk yet, and then refuses a pod that asks for a part of it for good:
# kubeadm waits in vain for etcd (kubernetes/kubernetes#99305). kubeadm 1.22 asks for none any more (#102673).
_NO_EPHEMERAL_STORAGE = """\
spec:
  containers:
  - name: etcd
    resources:
      requests:
        ephemeral-storage: null
"""


def patch_files(version: Version) -> tuple[File, ...]:
    """The patches of a release; this can go with support of 1.21."""
    return () if version.at_least(22) else (File(f"{FOLDER}/etcd+strategic.yaml", _NO_EPHEMERAL_STORAGE),)


def patch_flags(version: Version) -> tuple[str, ...]:
    """The flags that make `kubeadm init` and `join` read them (`--patches` and a field only since 1.22)."""
    return (f"--experimental-patches={FOLDER}",) if patch_files(version) else ()
