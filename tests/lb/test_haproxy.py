"""The mode `haproxy`: a pod that stays, a list that changes, and a question to it."""

import pytest
import yaml

from kubeon.lb import LBS
from kubeon.lb.haproxy import HOSTS, IMAGE, POD, PROGRAM, UID
from kubeon.spec.model import Role
from tests.golden import assert_golden
from tests.specs import a_spec

HAPROXY = LBS["haproxy"]
SPEC = a_spec(control_planes=3, workers=2, load_balancer={"mode": "haproxy"})


def test_files_of_a_worker() -> None:
    """The pod, the list, the program; the question."""
    files = {file.path: file.content for file in HAPROXY.files(SPEC, SPEC.workers[0])}

    assert list(files) == [HOSTS, PROGRAM, POD]  # the pod wants to find what it reads
    assert_golden(files[HOSTS], "lb/hosts")
    metadata = yaml.safe_load(files[POD])["metadata"]
    pod = files[POD].replace(metadata["uid"], "UID").replace(metadata["annotations"]["kubeon.io/program"], "DIGEST")
    assert_golden(pod, "lb/local-haproxy.yaml")
    assert_golden(HAPROXY.check(SPEC, SPEC.workers[0]), "lb/check.sh")


def test_a_control_plane_needs_nothing() -> None:
    """It talks to itself."""
    node = SPEC.control_planes[1]

    assert HAPROXY.files(SPEC, node) == ()
    assert HAPROXY.check(SPEC, node) == ""
    assert HAPROXY.ports(SPEC, node) == ()
    assert HAPROXY.hosts(SPEC, node) == (("10.0.0.2", "apiserver.cluster.local"),)
    assert HAPROXY.hosts(SPEC, SPEC.workers[0]) == (("127.0.0.1", "apiserver.cluster.local"),)
    assert HAPROXY.ports(SPEC, SPEC.workers[0]) == (6443, 8842)


def test_another_list_is_the_same_pod() -> None:
    """A new pod would drop every connection of the node."""
    before, after = (
        {file.path: file.content for file in HAPROXY.files(spec, spec.workers[0])}
        for spec in (SPEC, a_spec(control_planes=1, workers=2, load_balancer={"mode": "haproxy"}))
    )

    assert before[POD] == after[POD]
    assert before[HOSTS] != after[HOSTS]


def test_the_pod_is_known_by_a_uid_of_its_own() -> None:
    """Whatever release the kubelet is of: as long as nothing changes it is the same pod; each node has its own."""
    first, second = ({f.path: f.content for f in HAPROXY.files(SPEC, worker)}[POD] for worker in SPEC.workers)
    uids = [yaml.safe_load(pod)["metadata"]["uid"] for pod in (first, second)]

    assert uids[0] != uids[1]
    assert first.replace(uids[0], uids[1]) == second
    newer = a_spec("v1.37.2", control_planes=3, workers=2, load_balancer={"mode": "haproxy"})
    assert {f.path: f.content for f in HAPROXY.files(newer, newer.workers[0])}[POD] == first


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("kubeon.lb.haproxy.IMAGE", "docker.io/library/haproxy:newer"),
        ("kubeon.lb.haproxy.assets.haproxy", lambda _: "#!/bin/sh\n"),
    ],
)
def test_another_image_or_program_is_another_pod(what: str, other: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet ends the one that runs."""
    before = {f.path: f.content for f in HAPROXY.files(SPEC, SPEC.workers[0])}[POD]
    monkeypatch.setattr(what, other)
    after = {f.path: f.content for f in HAPROXY.files(SPEC, SPEC.workers[0])}[POD]

    assert yaml.safe_load(before)["metadata"]["uid"] != yaml.safe_load(after)["metadata"]["uid"]


def test_the_pod_fits_the_image() -> None:
    """Where it was collected it can be had again; the program is found where it lies on the host."""
    files = {file.path: file for file in HAPROXY.files(SPEC, SPEC.workers[0])}
    pod = yaml.safe_load(files[POD].content)
    (container,) = pod["spec"]["containers"]
    (image,) = HAPROXY.images(SPEC)

    assert container["image"] == image.reference == IMAGE
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["command"] == ["/bin/sh", PROGRAM]
    assert files[PROGRAM].mode == 0o755
    assert pod["spec"]["volumes"][0]["hostPath"]["path"] == container["volumeMounts"][0]["mountPath"]
    assert PROGRAM.startswith(container["volumeMounts"][0]["mountPath"] + "/")
    assert pod["spec"]["securityContext"]["runAsUser"] == UID
    assert image.roles == (Role.WORKER,)
    assert HAPROXY.images(a_spec(workers=0, load_balancer={"mode": "haproxy"})) == ()
