"""A load balancer that is none of kubeon's business: haproxy on a host of its own, as a user would have it."""

from collections.abc import Sequence

from tests.lab import hosts
from tests.lab.hosts import LabHost

_INSTALL = """
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends haproxy >/dev/null 2>&1 || exit
cat >/etc/haproxy/haproxy.cfg && systemctl restart haproxy
"""
_CONFIG = """
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
listen apiservers
    bind :{port}
    option httpchk GET /readyz
    default-server check check-ssl verify none inter 1s
"""


def start_haproxy(host: LabHost, addresses: Sequence[str], port: int = 6443) -> None:
    """Before the API servers at these addresses, at a port of its own."""
    servers = (f"    server {address} {address}:6443\n" for address in addresses)
    hosts.ssh(host, _INSTALL, stdin=_CONFIG.format(port=port) + "".join(servers))
