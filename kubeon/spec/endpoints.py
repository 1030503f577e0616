"""host:port, and the port of API servers."""

from dataclasses import dataclass

API_PORT = 6443
"""Of every API server; an external load balancer may have another one."""


@dataclass(frozen=True)
class Endpoint:
    """Where something listens. `host` is a name or an address."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Read host:port, [address]:port, or a host alone, whose port is 0. Raises ValueError on a port of letters."""
        host, colon, port = text.rpartition(":")
        if not colon:
            return cls(text, 0)
        return cls(host.removeprefix("[").removesuffix("]"), int(port or 0))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Of an API there."""
        return f"https://{self}"


def api_server(address: object) -> Endpoint:
    """The API server of a control plane."""
    return Endpoint(str(address), API_PORT)
