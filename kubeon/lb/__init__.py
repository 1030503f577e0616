"""Ways for nodes to reach the API: one module each, and one line here. They describe, never do."""

from kubeon.lb.base import LoadBalancerMode
from kubeon.lb.direct import Direct
from kubeon.lb.external import External

LBS: dict[str, LoadBalancerMode] = {"direct": Direct(), "external": External()}
