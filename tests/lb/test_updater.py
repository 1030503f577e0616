"""The mode `updater`: a Service of its own, who may write where it leads, and what a worker boots with."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeon.lb import LBS, updater
from kubeon.spec.endpoints import Endpoint
from kubeon.spec.model import ClusterSpec
from tests.golden import assert_golden
from tests.specs import a_spec

UPDATER = LBS["updater"]


def a_cluster(version: str = "v1.34.1", address: str | None = None, **fields: Any) -> ClusterSpec:
    """Three control planes and two workers, or as the fields say."""
    nodes = {"control_planes": 3, "workers": 2} | fields
    return a_spec(version, load_balancer={"mode": "updater", "address": address}, **nodes)


def a_manifest(spec: ClusterSpec) -> str:
    """Without the program's text and digest."""
    text = UPDATER.manifest(spec).replace(updater.digest(), "DIGEST")
    for key, (_, content) in updater.program().items():
        text = text.replace(f"  {key}: {json.dumps(content)}\n", f"  {key}: TEXT\n")
    return text


def test_objects() -> None:
    """One node has one replica; an old release has an older API for slices, and Endpoints besides."""
    alone = a_cluster(control_planes=1, workers=0)

    assert_golden(a_manifest(a_cluster()), "lb/apiserver-updater.yaml")
    assert_golden(a_manifest(alone), "lb/apiserver-updater-alone.yaml")
    assert a_manifest(a_cluster("v1.20.2")) == a_manifest(a_cluster())
    assert_golden(UPDATER.initial(a_cluster(), ["10.0.0.1", "10.0.0.2"]), "lb/apiserver-updater-objects.yaml")
    assert_golden(UPDATER.initial(a_cluster("v1.20.2"), ["10.0.0.1"]), "lb/apiserver-updater-objects-v1.20.yaml")


def test_rights_are_of_exactly_the_objects_that_are_there() -> None:
    """Nothing without a name, nothing created, no ClusterRole."""
    spec = a_cluster("v1.20.2")
    objects = list(yaml.safe_load_all(UPDATER.manifest(spec)))
    made = list(yaml.safe_load_all(UPDATER.initial(spec, ["10.0.0.1"])))

    kinds = {each["kind"] for each in objects}
    rules = [(each["metadata"]["namespace"], rule) for each in objects for rule in each.get("rules", [])]

    assert not [kind for kind in kinds if kind.startswith("Cluster")]
    assert all(rule["resourceNames"] for _, rule in rules)
    assert {verb for _, rule in rules for verb in rule["verbs"]} == {"get", "list", "watch", "update"}
    assert {name for where, rule in rules if where == "default" for name in rule["resourceNames"]} == {"kubernetes"}
    written = {
        (rule["resources"][0], rule["resourceNames"][0]) for where, rule in rules if "update" in rule["verbs"] and where
    }
    assert written == {(f"{each['kind'].lower()}s".replace("ss", "s"), each["metadata"]["name"]) for each in made}


def test_service_slice_and_pods_fit_each_other() -> None:
    """By names and ports."""
    spec = a_cluster()
    objects = {each["kind"]: each for each in yaml.safe_load_all(UPDATER.manifest(spec))}
    slices = {each["kind"]: each for each in yaml.safe_load_all(UPDATER.initial(spec, ["10.0.0.1"]))}

    service, pods = objects["Service"], objects["Deployment"]["spec"]["template"]
    [port] = service["spec"]["ports"]
    labels = slices["EndpointSlice"]["metadata"]["labels"]

    assert "selector" not in service["spec"]
    assert labels["kubernetes.io/service-name"] == service["metadata"]["name"]
    assert [each["name"] for each in slices["EndpointSlice"]["ports"]] == [port["name"]]
    assert port["port"] == port["targetPort"] == slices["EndpointSlice"]["ports"][0]["port"] == 6443
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"].items() <= pods["metadata"]["labels"].items()
    assert pods["spec"]["serviceAccountName"] == objects["ServiceAccount"]["metadata"]["name"]


def test_the_program_is_in_a_config_map() -> None:
    """As it is in the repository; another program is another pod."""
    objects = {each["kind"]: each for each in yaml.safe_load_all(UPDATER.manifest(a_cluster()))}
    pod = objects["Deployment"]["spec"]["template"]
    (volume,) = pod["spec"]["volumes"]
    (container,) = pod["spec"]["containers"]
    paths = {item["path"]: objects["ConfigMap"]["data"][item["key"]] for item in volume["configMap"]["items"]}
    folder = Path(__file__).parents[2] / "updater"

    assert {path for path in paths if "/" in path} == {
        path.relative_to(folder).as_posix() for path in folder.glob("apiserver_updater/*.py")
    }
    assert all(text == (folder / path).read_text() for path, text in paths.items() if "/" in path)
    assert "apiserver_updater" in paths["__main__.py"]
    assert volume["configMap"]["name"] == objects["ConfigMap"]["metadata"]["name"]
    assert container["command"] == ["python3", "-I", "-B", "-u", container["volumeMounts"][0]["mountPath"]]
    assert (container["image"], container["imagePullPolicy"]) == (updater.IMAGE, "IfNotPresent")
    assert pod["metadata"]["annotations"] == {"kubeon.io/program": updater.digest()}


def test_what_is_on_nodes() -> None:
    """A worker leads to the cluster IP, and has what it needs to boot; a control plane talks to itself."""
    spec = a_cluster()
    worker, control_plane = spec.workers[0], spec.control_planes[1]
    files = {file.path: file for file in UPDATER.files(spec, worker)}

    assert UPDATER.hosts(spec, worker) == (("10.96.0.2", "apiserver.cluster.local"),)
    assert UPDATER.hosts(spec, control_plane) == (("10.0.0.2", "apiserver.cluster.local"),)
    assert Endpoint("apiserver.cluster.local", 6443) == UPDATER.endpoint(spec)
    assert "10.96.0.2" in UPDATER.sans(spec)
    assert_golden(files[updater.SETTINGS].content, "lb/apiserver-startup-settings")
    assert_golden(files[updater.HOSTS].content, "lb/apiserver-startup-hosts")
    assert_golden(UPDATER.check(spec, worker), "lb/apiserver-startup-check.sh")
    assert files[updater.SCRIPT].mode == 0o755
    assert UPDATER.units(spec, worker) == (updater.STARTUP,)
    assert f"Wants={updater.RETURN}" in files[f"/etc/systemd/system/{updater.STARTUP}"].content
    assert f"ExecStart={updater.SCRIPT} start" in files[f"/etc/systemd/system/{updater.STARTUP}"].content
    assert UPDATER.files(spec, control_plane) == ()
    assert UPDATER.units(spec, control_plane) == ()
    assert UPDATER.start_script(spec, control_plane) == UPDATER.check(spec, control_plane) == ""


def test_only_the_settings_bear_the_clusters_name() -> None:
    """A new name writes them again, and nothing else."""
    spec = a_cluster()
    other = spec.model_copy(update={"name": "other"})

    told = set(UPDATER.files(other, spec.workers[0])) - set(UPDATER.files(spec, spec.workers[0]))

    assert [file.path for file in told] == [updater.SETTINGS]
    assert UPDATER.manifest(other) == UPDATER.manifest(spec)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("lb.example.com:6443", "is not an address"),
        ("10.0.9.9:6443", "does not lie in networking.serviceSubnet 10.96.0.0/12"),
        ("10.96.0.0:6443", "is no address of a Service"),
        ("10.96.0.1:6443", "is that of Service kubernetes"),
        ("10.96.0.10:6443", "is that of the cluster's DNS"),
        ("10.111.255.255:6443", "is no address of a Service"),
        ("10.96.0.7:443", "port 443 is not the API's"),
    ],
)
def test_an_address_that_cannot_be(address: str, why: str) -> None:
    """And what can."""
    [(path, text)] = UPDATER.problems(a_cluster(address=address))

    assert path == "loadBalancer.address"
    assert why in text
    assert "10.96.0.2:6443" in text


def test_an_address_of_ones_own() -> None:
    """It is what lines, certificates and the Service have; the default follows serviceSubnet."""
    spec = a_cluster(address="10.96.0.7:6443")
    small = a_cluster(networking={"serviceSubnet": "10.32.0.0/28"})

    assert UPDATER.problems(spec) == UPDATER.problems(small) == ()
    assert UPDATER.hosts(spec, spec.workers[0])[0][0] == "10.96.0.7"
    assert "10.96.0.7" in UPDATER.sans(spec)
    assert "clusterIP: 10.96.0.7\n" in UPDATER.manifest(spec)
    assert UPDATER.hosts(small, small.workers[0])[0][0] == "10.32.0.2"


SERVERS = "10.0.0.1:6443 10.0.0.2:6443 10.0.0.3:6443"


@pytest.mark.parametrize(
    ("listed", "script", "code", "said"),
    [
        (SERVERS, "exit 0", 0, "10.96.0.2:6443 UP\n"),
        (SERVERS, "echo it does not answer; exit 1", 1, "it does not answer\n"),
        ("10.0.0.1:6443", "exit 0", 1, f"apiserver-startup knows 10.0.0.1:6443, not {SERVERS}\n"),
        (None, "exit 0", 1, f"apiserver-startup knows nothing, not {SERVERS}\n"),
    ],
)
def test_a_worker_is_asked(listed: str | None, script: str, code: int, said: str, tmp_path: Path) -> None:
    """First for its list, then for its line."""
    hosts, program = tmp_path / "hosts", tmp_path / "apiserver-startup"
    if listed is not None:
        hosts.write_text("# the control planes\n" + "".join(f"{each}\n" for each in listed.split()))
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    spec = a_cluster()
    asks = UPDATER.check(spec, spec.workers[0])
    asks = asks.replace(updater.HOSTS, str(hosts)).replace(updater.SCRIPT, str(program))

    done = subprocess.run(["sh"], input=asks, text=True, capture_output=True, check=False, env=dict(os.environ))

    assert (done.returncode, done.stdout) == (code, said)
