"""kubectl on a control plane, over SSH: parsed JSON in, parsed JSON out."""

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from kubeon.errors import CommandError, OperationError
from kubeon.hosts.host import Host
from kubeon.spec.endpoints import api_server
from kubeon.waiting import SYSTEM_CLOCK, Clock, wait_until

ADMIN_CONF = "/etc/kubernetes/admin.conf"
READY = "Ready"
_PASSING = ("etcdserver: leader changed", "etcdserver: request timed out", "etcdserver: no leader")
_ELECTING = "[-]etcd failed"  # what every API server's /readyz says meanwhile
_PAUSES = (1, 3, 8)  # seconds; an election takes one or two, on a busy machine more
_TIMED_OUT = 124  # timeout(1) ends with this
_SLACK = 30  # seconds that a busy host may take longer than timeout(1) there


class Kubectl:
    """The API as a control plane's own kubectl sees it. Safe to use from several lanes."""

    def __init__(self, host: Host, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.host = host
        self._clock = clock

    def run(self, *words: str, manifest: str = "", timeout: float = 60, patient: bool = True) -> str:
        """Run kubectl; `manifest` is its standard input. Raises CommandError with kubectl's own words.

        After `timeout` seconds it is ended on the host, which is a CommandError too: the connection stays, for other
        lanes have commands under way there.

        It asks this node's own API server, not the endpoint of all, which may still wait for its load balancer. When
        etcd is just choosing its leader it is asked again; not with `patient` off: for those who have no time. So it is
        once when the connection was lost: whatever kubeon says to kubectl may be said twice.
        """
        for pause in _PAUSES if patient else ():
            try:
                return self._once(words, manifest, timeout)
            except CommandError as error:
                if not any(passing in error.why for passing in _PASSING):
                    raise
            self._clock.sleep(pause)
        return self._once(words, manifest, timeout, again=patient)

    def _once(self, words: Sequence[str], manifest: str, timeout: float, *, again: bool = True) -> str:
        line = shlex.join(["kubectl", "--kubeconfig", ADMIN_CONF, "--server", self._server(), *words])
        try:
            return self.host.ask(
                f"timeout {math.ceil(timeout)} {line}\n",
                stdin=[manifest.encode()] if manifest else (),
                timeout=timeout + (_SLACK if again else 0),
                what="kubectl " + " ".join(words[:3]),
                wait=False,
                again=again,
            )
        except CommandError as error:
            if error.command_exit_code == _TIMED_OUT and not error.why:
                error.why = f"no answer within {timeout:.0f} s"
            raise

    def get(self, *words: str) -> Any:
        """`kubectl get WORDS -o json`, parsed; None when there is no such object."""
        text = self.run("get", *words, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def apply(self, manifest: str) -> list[str]:
        """`kubectl apply`, and the objects that it created or configured ("daemonset.apps/kube-proxy created")."""
        out = self.run("apply", "-f", "-", manifest=manifest, timeout=120)
        return [line for line in out.splitlines() if line.strip() and not line.endswith("unchanged")]

    def nodes(self) -> dict[str, Mapping[str, Any]]:
        """All Node objects by name."""
        return {item["metadata"]["name"]: item for item in (self.get("nodes") or {"items": []})["items"]}

    def answers(self) -> bool:
        """Does this control plane's API server say that it is ready, within 10 seconds?"""
        return not self.why_not()

    def why_not(self, *, patient: bool = False) -> str:
        """Why this control plane's API server does not say that it is ready, within 10 seconds; "" when it does.

        `patient`: one that names etcd is asked again, for a few seconds more.
        """
        why = self._why_not()
        for pause in _PAUSES if patient else ():
            if _ELECTING not in why:
                break
            self._clock.sleep(pause)
            why = self._why_not()
        return why

    def _why_not(self) -> str:
        try:
            said = self.run("get", "--raw", "/readyz", "--request-timeout=10s", timeout=15).strip()
        except CommandError as error:
            return f"{error.what}: {error.why}" if error.why else error.what
        return "" if said == "ok" else f"its API server is not ready: {said}"

    def wait_ready(self, names: Sequence[str], *, seconds: float) -> None:
        """Wait until these nodes are Ready. Raises OperationError that says of each other one why it is not."""
        state: dict[str, str] = {}

        def all_ready() -> bool:
            nodes = self.nodes()
            state.clear()
            state.update({name: why_not_ready(nodes.get(name)) for name in names})
            return not any(state.values())

        if not wait_until(all_ready, seconds=seconds, pause=0.3, longest=1.0, clock=self._clock):
            late = {name: why for name, why in state.items() if why}
            raise OperationError(
                f"{len(late)} of {len(names)} nodes did not become Ready within {seconds:.0f} s",
                why="\n".join(f"{name}: {why}" for name, why in sorted(late.items())),
                hint="look at: journalctl -u kubelet on that node",
            )

    def _server(self) -> str:
        return api_server(self.host.address).url


def why_not_ready(node: Mapping[str, Any] | None) -> str:
    """Why a Node is not Ready, in the kubelet's words; "" when it is."""
    if node is None:
        return "it has not registered"
    for condition in node.get("status", {}).get("conditions", []):
        if condition["type"] == READY:
            return "" if condition["status"] == "True" else str(condition.get("message") or condition.get("reason"))
    return "its kubelet has not reported yet"
