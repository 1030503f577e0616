"""What every network plug-in promises, and each one's own answers."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from ipaddress import IPv4Network

import pytest
import yaml

from kubeon.cni import CNIS
from kubeon.cni.base import NodeNetwork, images_of
from kubeon.cni.bridge import assign
from kubeon.errors import BundleError, KubeonError
from kubeon.spec.model import ClusterSpec
from tests.golden import assert_golden
from tests.specs import a_spec

# The parts of upstream's manifests that kubeon reads, in our words.
FETCHED = {
    "kube-flannel.yml": """\
kind: ConfigMap
apiVersion: v1
data:
  net-conf.json: |
    {
      "Network": "10.244.0.0/16",
      "Backend": {"Type": "vxlan"}
    }
---
kind: DaemonSet
apiVersion: apps/v1
spec:
  template:
    spec:
      initContainers:
      - name: install-cni-plugin
        image: ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1
      # image: example.com/not-this:v1
      containers:
      - image: "ghcr.io/flannel-io/flannel:v0.28.4"
        name: kube-flannel
""",
    "calico.yaml": """\
kind: DaemonSet
apiVersion: apps/v1
spec:
  template:
    spec:
      initContainers:
        - name: install-cni
          image: quay.io/calico/cni:v3.31.7
      containers:
        - name: calico-node
          image: quay.io/calico/node:v3.31.7
          env:
            # no effect. This should fall within `--cluster-cidr`.
            # - name: CALICO_IPV4POOL_CIDR
            #   value: "192.168.0.0/16"
            # Disable file logging so `kubectl logs` works.
            - name: CALICO_DISABLE_FILE_LOGGING
              value: "true"
""",
    "cilium.tgz": "kind: DaemonSet\nspec:\n  containers:\n  - image: quay.io/cilium/cilium:v1.18.14\n",
}


def a_node(spec: ClusterSpec) -> NodeNetwork:
    del spec
    return NodeNetwork("node-1", IPv4Network("10.244.3.0/24"))


@pytest.mark.parametrize("name", CNIS)
@pytest.mark.parametrize("version", ["v1.26.0", "v1.30.4", "v1.34.1", "v1.36.0"])
def test_every_plugin_keeps_the_contract(name: str, version: str) -> None:
    """Registered under its name, describes the same twice, names its material fully, and cleans up what it brings."""
    plugin, spec = CNIS[name], a_spec(version, networking={"plugin": name, "podSubnet": "10.200.0.0/16"})

    assert plugin.name == name
    assert plugin.problems(spec) == ()
    artifacts = plugin.manifests(spec)
    assert all(artifact.url.startswith("https://") and artifact.version in artifact.url for artifact in artifacts)
    fetched = {artifact.name: FETCHED[artifact.name] for artifact in artifacts}
    manifest = plugin.manifest(spec, fetched)
    assert manifest == plugin.manifest(spec, fetched)
    list(yaml.safe_load_all(manifest))
    if chart := plugin.chart(spec):
        assert chart.artifact in fetched
    files = plugin.files(spec, a_node(spec))
    cleaning = plugin.cleaning()
    assert all(any(file.path.startswith(path) for path in cleaning.paths) for file in files)
    assert set(plugin.units) <= set(cleaning.units)
    assert all(args.isprintable() for args in plugin.controller_manager_args(spec).values())


@pytest.mark.parametrize("name", ["calico", "cilium"])
def test_releases_without_a_manifest_are_refused(name: str) -> None:
    """With another plug-in to take."""
    [(path, text)] = CNIS[name].problems(a_spec("v1.20.2", networking={"plugin": name}))

    assert path == "networking.plugin"
    assert "bridge" in text


def test_flannel_gets_the_pod_network_and_says_its_images() -> None:
    """Images come out of the manifest itself; comments do not count."""
    spec = a_spec(networking={"plugin": "flannel", "podSubnet": "10.200.0.0/16"})

    manifest = CNIS["flannel"].manifest(spec, FETCHED)

    assert '"Network": "10.200.0.0/16"' in manifest
    assert images_of(manifest) == (
        "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel1",
        "ghcr.io/flannel-io/flannel:v0.28.4",
    )


def test_calico_gets_the_pod_network() -> None:
    """The pool's lines, which are a comment upstream, become values."""
    spec = a_spec(networking={"plugin": "calico", "podSubnet": "10.200.0.0/16"})

    manifest = yaml.safe_load(CNIS["calico"].manifest(spec, FETCHED))

    [container] = manifest["spec"]["template"]["spec"]["containers"]
    assert {"name": "CALICO_IPV4POOL_CIDR", "value": "10.200.0.0/16"} in container["env"]


@pytest.mark.parametrize(
    ("name", "fetched"),
    [("flannel", {"kube-flannel.yml": "kind: List\n"}), ("calico", {"calico.yaml": FETCHED["calico.yaml"] * 2})],
)
def test_a_manifest_of_another_kind_is_an_error(name: str, fetched: Mapping[str, str]) -> None:
    """Better than a cluster whose pods have the wrong network."""
    with pytest.raises(BundleError, match="pod network"):
        CNIS[name].manifest(a_spec(networking={"plugin": name}), fetched)


def test_bridge_files() -> None:
    """The configuration that facts read again, and the settings of the unit."""
    spec = a_spec()

    files = {file.path: file for file in CNIS["bridge"].files(spec, a_node(spec))}

    assert_golden(files["/etc/cni/net.d/10-kubeon-bridge.conflist"].content, "cni/10-kubeon-bridge.conflist")
    assert_golden(files["/etc/kubernetes/kubeon-bridge.env"].content, "cni/kubeon-bridge.env")
    assert files["/usr/local/lib/kubeon/kubeon-bridge-routes"].mode == 0o755
    assert CNIS["bridge"].controller_manager_args(spec) == {"allocate-node-cidrs": "false"}
    ranges = {"cp1": "10.244.0.0/24 10.0.0.1", "1e3": "10.244.1.0/24 10.0.0.2"}
    assert_golden(CNIS["bridge"].ranges_manifest(ranges), "cni/bridge.yaml")


SUBNET = IPv4Network("10.244.0.0/16")


def test_pod_ranges_stay_and_new_nodes_get_the_lowest_free_ones() -> None:
    """Also a range of another size in the way is respected."""
    recorded = {"a": IPv4Network("10.244.1.0/24"), "gone": IPv4Network("10.244.2.0/23")}

    ranges = assign(SUBNET, 24, recorded, [], ["b", "a", "c", "d"])

    assert {name: str(network) for name, network in ranges.items()} == {
        "b": "10.244.0.0/24",
        "a": "10.244.1.0/24",
        "c": "10.244.4.0/24",
        "d": "10.244.5.0/24",
    }


@pytest.mark.parametrize(
    "claim",
    [
        *("0.0.0.0/0", "10.96.0.0/12", "10.244.0.0/16", "10.244.5.0/25", "10.244.4.0/23", "10.0.0.7/32", "x", ""),
        *("10.244.5.1/24", "192.168.0.0/24", "fd00::/64", "10.244.0.0/24", "10.244.7.0/24", "9" * 5000),
    ],
)
def test_what_a_host_claims_and_may_not_have(claim: str) -> None:
    """Outside, of another size, or somebody else's, on record or claimed by one who is believed more."""
    recorded, claims = {"cp1": IPv4Network("10.244.0.0/24")}, [("w1", "10.244.7.0/24"), ("w2", claim)]

    ranges = assign(SUBNET, 24, recorded, claims, ["w2", "w1", "cp1"])

    assert {name: str(network) for name, network in ranges.items()} == {
        "w2": "10.244.1.0/24",
        "w1": "10.244.7.0/24",
        "cp1": "10.244.0.0/24",
    }


def test_what_a_host_claims_and_may_have() -> None:
    """A share of the pod network that is free; but not in place of one on record."""
    recorded, claims = {"a": IPv4Network("10.244.1.0/24")}, [("b", "10.244.9.0/24"), ("a", "10.244.8.0/24")]

    ranges = assign(SUBNET, 24, recorded, claims, ["a", "b"])

    assert [str(ranges[name]) for name in "ab"] == ["10.244.1.0/24", "10.244.9.0/24"]


def test_a_full_pod_network_is_an_error() -> None:
    """It says how many nodes it has room for."""
    with pytest.raises(KubeonError, match="room for 2 nodes"):
        assign(IPv4Network("10.244.0.0/23"), 24, {}, [], ["a", "b", "c"])


def test_interfaces_of_others_stay() -> None:
    """A host may have containers of LXC, or other bridges, beside Kubernetes."""
    patterns = {pattern for plugin in CNIS.values() for pattern in plugin.cleaning().interfaces}
    others = ("lxcbr0", "lxdbr0", "virbr0", "docker0", "br0", "bond0", "eth0", "veth0", "tun0", "wg0")

    assert [name for name in others for pattern in patterns if fnmatchcase(name, pattern)] == []
    for name in ("lxc4f2d8a0c1b2e", "lxc_health", "cali123", "cilium_host", "flannel.1", "cni0"):
        assert any(fnmatchcase(name, pattern) for pattern in patterns), name
