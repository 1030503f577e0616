"""The lab's network: a bridge with the hosts on it, and the guard that keeps the lab's packets on this machine.

Order matters. The guard comes before the bridge, so no packet for a host that is not up leaves by the default route;
it goes last, after the hosts and the bridge.
"""

import ipaddress
import json
from collections.abc import Collection

from tests.lab import cache
from tests.lab.command import LabError, run

NAME = "kubeon-lab"  # podman's name for the network
BRIDGE = "kubeon-lab0"
SUBNET = ipaddress.IPv4Network("10.77.0.0/16")
GATEWAY = ipaddress.IPv4Address("10.77.0.1")  # the machine itself: the mirror listens here, on no other address
PODS_AND_SERVICES = ("10.244.0.0/16", "10.96.0.0/12")
"""Networks that exist inside hosts only: the machine itself has no way there, not even its default route.

What hosts send is guarded by where it comes from, whatever the network.
"""

_KEEPER = ("kubeon-keep0", "kubeon-keep1")
_METRIC = "4096"  # above any route that means something: it takes what would else go to the default gateway


def guard_rules(bridge: str = BRIDGE) -> str:
    """The nft ruleset of the guard, replacing an earlier one."""
    reject = "reject with icmpx type admin-prohibited"
    return f"""
table inet kubeon_lab
delete table inet kubeon_lab
table inet kubeon_lab {{
  counter refused_from_lab {{ }}
  counter refused_into_lab {{ }}
  # Between hosts: no connection tracking on the machine, hence none of its NAT, also where frames on a bridge pass the
  # IP hooks (br_netfilter). The machine's own packets stay tracked: its firewall may want that.
  chain untracked {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridge}" ip saddr != {GATEWAY} ip daddr != {GATEWAY} notrack
  }}
  # What hosts send to the machine as their gateway, but not for itself. Rejected, not dropped: programs that ask the
  # Internet at their start (a cloud's metadata, say) learn at once. Here, not in `forward`, which a packet does not
  # reach where the bridge does not forward; by hardware address, because frames between hosts may come by, too.
  chain outside {{
    type filter hook prerouting priority raw + 10; policy accept;
    iifname "{bridge}" ether daddr {mac(str(GATEWAY))} fib daddr type {{ unicast, unreachable, prohibit, blackhole }} \\
      counter name refused_from_lab {reject}
  }}
  # And once more where packets leave for another network, whoever sent them.
  chain forward {{
    type filter hook forward priority -10; policy accept;
    iifname "{bridge}" oifname "{bridge}" accept
    iifname "{bridge}" counter name refused_from_lab {reject}
    oifname "{bridge}" counter name refused_into_lab {reject}
    ip saddr {SUBNET} counter name refused_from_lab {reject}
    ip daddr {SUBNET} counter name refused_into_lab {reject}
  }}
  # The machine's own packets to the lab, when there is no bridge, or a route that should not be there.
  chain output {{
    type filter hook output priority -10; policy accept;
    oifname != {{ "{bridge}", "lo" }} ip saddr {SUBNET} counter name refused_from_lab {reject}
    oifname != {{ "{bridge}", "lo" }} ip daddr {SUBNET} counter name refused_into_lab {reject}
  }}
  # Hosts ask their resolver, the gateway: a name server of this machine would carry the question outside.
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname "{bridge}" meta l4proto {{ tcp, udp }} th dport 53 reject with icmpx type port-unreachable
  }}
}}
"""


_CUT_RULES = """
table bridge kubeon_lab
delete table bridge kubeon_lab
table bridge kubeon_lab {
  set cut { type ether_addr; }
  chain from { type filter hook prerouting priority -300; policy accept; ether saddr @cut drop; }
  chain to { type filter hook postrouting priority -300; policy accept; ether daddr @cut drop; ether saddr @cut drop; }
  chain output { type filter hook output priority -300; policy accept; ether daddr @cut drop; }
}
"""


def up() -> None:
    """Set the guard, then make the bridge with the gateway's address, which stays also when no host is up."""
    guard()
    _bridge()
    if not _has_cut_table():
        run(["nft", "-f", "-"], stdin=_CUT_RULES)
    file = cache.root() / "networks" / f"{NAME}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(podman_network(), indent=1)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def podman_network() -> dict[str, object]:
    """The network as podman keeps it. Written by us: podman 4.3 cannot be told the name of the bridge.

    Internal, so podman sets no firewall rules and no NAT, which it would leave behind with a bridge that stays.
    """
    return {
        "name": NAME,
        "id": cache.key(NAME) * 4,
        "driver": "bridge",
        "network_interface": BRIDGE,
        "created": "2024-01-01T00:00:00Z",
        "subnets": [{"subnet": str(SUBNET), "gateway": str(GATEWAY)}],
        "ipv6_enabled": False,
        "internal": True,
        "dns_enabled": False,
        "labels": {NAME: "network"},
        "ipam_options": {"driver": "host-local"},
    }


def guard() -> None:
    """Set the guard: unreachable routes first, then the rules. Again is harmless."""
    for network in (str(SUBNET), *PODS_AND_SERVICES):
        run(["ip", "route", "replace", "unreachable", network, "metric", _METRIC])
    run(["nft", "-f", "-"], stdin=guard_rules())


def down() -> None:
    """Take away the bridge, then the guard. No host may be running."""
    for link in _links_on_bridge():
        run(["ip", "link", "delete", link], check=False)
    for link in (_KEEPER[0], BRIDGE):
        if exists(link):
            run(["ip", "link", "delete", link])
    (cache.root() / "networks" / f"{NAME}.json").unlink(missing_ok=True)
    run(["nft", "delete", "table", "bridge", "kubeon_lab"], check=False)
    run(["nft", "delete", "table", "inet", "kubeon_lab"], check=False)
    for network in (str(SUBNET), *PODS_AND_SERVICES):
        run(["ip", "route", "delete", "unreachable", network, "metric", _METRIC], check=False)


def is_up() -> bool:
    """Whether the bridge is there and the guard is set."""
    return exists(BRIDGE) and run(["nft", "list", "table", "inet", "kubeon_lab"], check=False).returncode == 0


def cut(address: str) -> None:
    """Drop every frame from and to the host with this address, as if its cable were pulled. Until `restore`."""
    run(["nft", "add", "element", "bridge", "kubeon_lab", "cut", f"{{ {mac(address)} }}"])


def restore(address: str) -> None:
    """Let the host's frames pass again; does nothing if they do."""
    run(["nft", "delete", "element", "bridge", "kubeon_lab", "cut", f"{{ {mac(address)} }}"], check=False)


def refused() -> dict[str, int]:
    """Packets the guard refused so far, by counter: `refused_from_lab`, `refused_into_lab`."""
    listed = json.loads(run(["nft", "-j", "list", "counters", "table", "inet", "kubeon_lab"]).stdout)
    counters = [entry["counter"] for entry in listed["nftables"] if "counter" in entry]
    return {counter["name"]: counter["packets"] for counter in counters}


def mac(address: str) -> str:
    """The hardware address of the host with this address: always the same, so `cut` survives a reboot."""
    return ":".join(f"{part:02x}" for part in (0x02, 0x4B, *ipaddress.IPv4Address(address).packed))


def check_address(address: str) -> str:
    """The address, if it is one a host may have."""
    parsed = ipaddress.IPv4Address(address)
    if parsed not in SUBNET or parsed in (GATEWAY, SUBNET.network_address, SUBNET.broadcast_address):
        raise LabError(f"{address}: a host's address must lie in {SUBNET} and not be {GATEWAY}")
    return str(parsed)


def first_free(start: str, taken: Collection[str]) -> str:
    """The first address from `start` on that is not taken."""
    parsed = ipaddress.IPv4Address(check_address(start))
    while str(parsed) in taken:
        parsed += 1
    return check_address(str(parsed))


def exists(link: str) -> bool:
    """Whether a network interface of this name exists."""
    return run(["ip", "link", "show", link], check=False).returncode == 0


def _bridge() -> None:
    # Podman removes a bridge with its last container, unless something else is plugged in: the keeper.
    if not exists(BRIDGE):
        run(["ip", "link", "add", BRIDGE, "address", mac(str(GATEWAY)), "type", "bridge"])
    if not exists(_KEEPER[0]):
        run(["ip", "link", "add", _KEEPER[0], "type", "veth", "peer", "name", _KEEPER[1]])
    run(["ip", "link", "set", _KEEPER[0], "master", BRIDGE])
    for link in (*_KEEPER, BRIDGE):
        run(["ip", "link", "set", link, "up"])
    run(["ip", "address", "replace", f"{GATEWAY}/{SUBNET.prefixlen}", "broadcast", "+", "dev", BRIDGE])


def _links_on_bridge() -> list[str]:
    if not exists(BRIDGE):
        return []
    lines = run(["ip", "-br", "link", "show", "master", BRIDGE]).stdout.splitlines()
    return [line.split()[0].split("@")[0] for line in lines]


def _has_cut_table() -> bool:
    return run(["nft", "list", "table", "bridge", "kubeon_lab"], check=False).returncode == 0
