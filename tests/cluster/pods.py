"""Pods that answer who they are, for tests that ask whether they reach each other."""

import json
import time
from typing import Any

from tests.cluster.driver import kubectl
from tests.lab import hosts

IMAGE = "docker.io/library/busybox:1.35"
NAME = "echo"
PORT = 8080
NODE_PORT = 30080
_MANIFEST = f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {NAME}}}
spec:
  selector: {{matchLabels: {{app: {NAME}}}}}
  template:
    metadata: {{labels: {{app: {NAME}}}}}
    spec:
      tolerations: [{{operator: Exists}}]
      terminationGracePeriodSeconds: 0
      containers:
      - name: {NAME}
        image: {IMAGE}
        imagePullPolicy: Always
        command: [sh, -c, "mkdir -p /www; echo $NODE >/www/index.html; exec httpd -f -p {PORT} -h /www"]
        env: [{{name: NODE, valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}}}]
        readinessProbe: {{httpGet: {{path: /, port: {PORT}}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {NAME}}}
spec:
  type: NodePort
  selector: {{app: {NAME}}}
  ports: [{{port: 80, targetPort: {PORT}, nodePort: {NODE_PORT}}}]
"""


def start(control_plane: hosts.LabHost) -> dict[str, dict[str, Any]]:
    """A pod on every node behind one Service; by node, when all are ready.

    The nodes pull the image from the registry that `create --registry` named: docker.io is nowhere to be reached.
    """
    kubectl(control_plane, "apply -f -", stdin=_MANIFEST)
    kubectl(control_plane, f"rollout status daemonset/{NAME} --timeout=120s")
    items = json.loads(kubectl(control_plane, f"get pods -l app={NAME} -o json"))["items"]
    return {item["spec"]["nodeName"]: item for item in items}


def stop(control_plane: hosts.LabHost) -> None:
    """Take them away."""
    kubectl(control_plane, f"delete daemonset/{NAME} service/{NAME}")
    kubectl(control_plane, f"wait pods -l app={NAME} --for=delete --timeout=60s", check=False)


def ask(control_plane: hosts.LabHost, pod: dict[str, Any], address: str, port: int = PORT) -> str:
    """Which node's pod answers a pod there; asked for some seconds, for rules follow a new Service with delay.

    By nc: a static busybox looks up the port of "http" with a library that its image does not have, and dies of it.
    """
    request = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {address} {port}"
    name, deadline = pod["metadata"]["name"], time.monotonic() + 30
    while True:
        answer = kubectl(control_plane, f'exec {name} -- sh -c "{request}"', check=False).strip()
        if answer or time.monotonic() > deadline:
            return answer.rpartition("\n")[2]
