"""Ways for nodes to reach the API: one module each, and one line here. They describe, never do."""

from kubeon.lb.base import LoadBalancerMode
from kubeon.lb.direct import Direct
from kubeon.lb.external import External
from kubeon.lb.haproxy import Haproxy

LBS: dict[str, LoadBalancerMode] = {"haproxy": Haproxy(), "direct": Direct(), "external": External()}
