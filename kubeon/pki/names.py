"""What a node may be called, so that no certificate of a worker is good for the API or for somebody else.

A host says itself what it is called, and kubeon signs its certificate with the CA by which everybody knows the API.
"""

import ipaddress
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from kubeon.spec.fields import is_dns_name

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def shared_names(
    endpoint_host: str, service_subnet: IPv4Network, dns_domain: str, sans: Iterable[str]
) -> tuple[str, ...]:
    """Names and addresses in every API server's certificate, besides those of its node."""
    return (
        *("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{dns_domain}"),
        *("localhost", endpoint_host),
        str(service_subnet.network_address + 1),  # Service default/kubernetes
        "127.0.0.1",
        *sans,
    )


def collision(name: str, address: str, taken: Iterable[str], *, dns_domain: str) -> str:
    """What a certificate for a node of this name and address would be good for besides it; "" for nothing.

    `taken` are names and addresses of others, of the API above all, in any spelling; "*.example.org" stands for all
    names with one label before it.
    """
    if not is_dns_name(name):
        return "no lower-case DNS name"
    own, meant = ipaddress.ip_address(address), _address(name)
    problem = ""
    if meant and "." in name and str(own) != name:
        problem = f"the address {meant}" + (" in another spelling" if meant == own else "")
    elif name == "localhost" or name.endswith(".localhost"):
        problem = "every host's name for itself"
    elif name.endswith((".svc", f".svc.{dns_domain}")):
        problem = "a name that a Service has"
    elif clash := next((other for other in taken if _means(other, name, own, meant)), ""):
        problem = f"{clash}, which is not its alone"
    return problem


def _means(other: str, name: str, own: IPAddress, meant: IPAddress | None) -> bool:
    bare = other.lower().rstrip(".")
    there = _address(bare)
    wild = bare.startswith("*.") and name.partition(".")[2] == bare.removeprefix("*.")
    return bare == name or wild or (there is not None and there in (own, meant))


def _address(text: str) -> IPAddress | None:
    """The address that some resolver or other reads in this: 10.0.0.1, 010.0.0.1, 0xa000001, ::ffff:10.0.0.1."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(text)) if text else None
        except OSError:
            return None
    return (address.version == 6 and address.ipv4_mapped) or address
