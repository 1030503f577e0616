"""Container runtimes: one module with its template each, and one line here. They describe, never do."""

from kubeon.cri.base import Cri
from kubeon.cri.containerd import Containerd

CRIS: dict[str, Cri] = {"containerd": Containerd()}
