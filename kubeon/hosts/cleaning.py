"""What a plug-in leaves on a host, as a value: network plug-ins and API load balancers say it of themselves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cleaning:
    """What a plug-in leaves on a host. `script` runs first; then interfaces, chains and paths go.

    An iptables chain is (table, chain); rules that lead to it go with it. An interface that ends with "*" is a prefix.
    """

    script: str = ""
    units: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    chains: tuple[tuple[str, str], ...] = ()
    paths: tuple[str, ...] = ()
