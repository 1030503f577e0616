"""No network plug-in: the user brings one, and nodes stay NotReady until then."""

from kubeon.cni.base import Plain


class NoPlugin(Plain):
    """`networking.plugin: none`."""

    name = "none"
    connects_nodes = False
