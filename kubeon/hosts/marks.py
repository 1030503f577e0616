"""What kubeon leaves on a host to know it again: whose it is, and how far something came there."""

from dataclasses import dataclass

from kubeon.hosts.files import File

MARKER = "/etc/kubernetes/kubeon-cluster"
RECORDS = "/var/lib/kubeon"
ADOPTED = f"{RECORDS}/adopted"  # somebody else made this node
JOINED = f"{RECORDS}/joined"  # kubeadm came to its end here, whatever is removed by hand later
UPGRADED = f"{RECORDS}/upgraded"  # the version to which kubeadm has come to its end here


@dataclass(frozen=True)
class Mark:
    """Whose a host is: the cluster's name and its CA's SHA-256, since a name may be used twice. Empty: nobody's."""

    cluster: str = ""
    ca: str = ""

    @classmethod
    def parse(cls, content: str) -> "Mark":
        """What MARKER holds."""
        return cls(*content.split()[:2])

    def __bool__(self) -> bool:
        return bool(self.cluster)

    def file(self) -> File:
        """The first thing that is written to a host, and the last that is removed."""
        return File(MARKER, f"{self.cluster} {self.ca}\n")


UNMARKED = Mark()
