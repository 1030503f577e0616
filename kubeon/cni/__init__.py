"""Network plug-ins: one module each, and one line here. They describe, never do."""

from kubeon.cni.base import Cni
from kubeon.cni.bridge import Bridge
from kubeon.cni.calico import Calico
from kubeon.cni.cilium import Cilium
from kubeon.cni.flannel import Flannel
from kubeon.cni.none import NoPlugin

CNIS: dict[str, Cni] = {
    "bridge": Bridge(),
    "calico": Calico(),
    "cilium": Cilium(),
    "flannel": Flannel(),
    "none": NoPlugin(),
}
