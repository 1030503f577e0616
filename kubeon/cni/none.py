"""No network plug-in: the user brings one, and nodes stay NotReady until then."""

from kubeon.cni.base import Cni


class NoPlugin(Cni):
    """`networking.plugin: none`."""

    name = "none"
    connects_nodes = False
