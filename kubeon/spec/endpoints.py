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
        """Read host:port, [address]:port, or a host alone. What is no port is 0; spec's fields say so."""
        host, _, port = text.rpartition(":")
        if not host or (":" in host and not host.startswith("[")):  # an address of IPv6 alone
            host, port = text, ""
        return cls(host.removeprefix("[").removesuffix("]"), int(port) if port.isdecimal() else 0)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Of an API there."""
        return f"https://{self}"


def api_server(address: object) -> Endpoint:
    """The API server of a control plane."""
    return Endpoint(str(address), API_PORT)
