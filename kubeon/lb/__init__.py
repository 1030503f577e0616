"""Ways for nodes to reach the API: one module each, and one line here. They describe, never do."""

from kubeon.lb.base import LoadBalancerMode
from kubeon.lb.direct import Direct
from kubeon.lb.external import External
from kubeon.lb.haproxy import HEALTH_PORT, Haproxy
from kubeon.lb.updater import Updater
from kubeon.spec.endpoints import API_PORT

LBS: dict[str, LoadBalancerMode] = {
    "haproxy": Haproxy(),
    "updater": Updater(),
    "direct": Direct(),
    "external": External(),
}
PORTS = (API_PORT, HEALTH_PORT)  # all that any of them may want on a node: preflight has a check for each
