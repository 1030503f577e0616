"""kubeadm's own object: in the form of its version, read back before it is stored, mended where kubeon spoilt it."""

from functools import partial
from typing import Any

import pytest

from kubeon.errors import OperationError
from kubeon.hosts.host import Host
from kubeon.kube.cluster_configuration import mend_cluster_configuration, remember_certificates
from kubeon.kube.kubectl import Kubectl
from tests.fakes.api import FakeApi
from tests.fakes.connection import FakeConnection
from tests.kube.test_tokens import an_api
from tests.specs import a_spec

FLAG = "cluster-signing-duration"
LIFE = {FLAG: "17520h0m0s"}
SOCKET = "unix:///run/containerd/containerd.sock"
PERIODS = {"certificateValidityPeriod": "17520h0m0s", "caCertificateValidityPeriod": "105120h0m0s"}


def configured(version: str, api_version: str, **more: Any) -> tuple[FakeApi, Kubectl]:
    """A control plane whose kubeadm-config has this."""
    api, kubectl, _ = an_api()
    api.configured = version
    api.cluster_configuration = {
        "apiVersion": f"kubeadm.k8s.io/{api_version}",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": version,
        **more,
    }
    return api, kubectl


def stored(api: FakeApi) -> dict[str, Any]:
    """What kubeadm-config has now."""
    assert api.cluster_configuration is not None
    return api.cluster_configuration


def remember(kubectl: Kubectl, **more: Any) -> tuple[str, ...]:
    """As `certs renew --validity 2y` does."""
    return remember_certificates(
        kubectl, sans=("api.example.org",), periods=PERIODS, manager=LIFE, cri_socket=SOCKET, **more
    )


def test_a_cluster_without_the_section_gets_it_in_the_form_of_its_version() -> None:
    """A list since v1beta4, with the fields for lives of certificates; a mapping before, without them."""
    new, of_new = configured("v1.37.2", "v1beta4")
    old, of_old = configured("v1.27.1", "v1beta3", scheduler={}, apiServer=None)

    assert remember(of_new) == remember(of_old) == ()

    assert stored(new)["controllerManager"] == {"extraArgs": [{"name": FLAG, "value": LIFE[FLAG]}]}
    assert stored(new)["certificateValidityPeriod"] == PERIODS["certificateValidityPeriod"]
    assert stored(old)["controllerManager"] == {"extraArgs": LIFE}
    assert not set(PERIODS) & set(stored(old))
    assert stored(new)["apiServer"] == stored(old)["apiServer"] == {"certSANs": ["api.example.org"]}


def test_the_object_decides_and_not_the_release() -> None:
    """In the middle of an upgrade from 1.30 it is still what that kubeadm has written."""
    api, kubectl = configured("v1.31.0", "v1beta3", controllerManager={"extraArgs": {"v": "4"}})

    remember(kubectl)

    assert stored(api)["controllerManager"]["extraArgs"] == {"v": "4", **LIFE}


def test_flags_stay_where_they_are_and_may_be_there_twice() -> None:
    """The last one of a name is the one that counts."""
    args = [
        {"name": "feature-gates", "value": "A=true"},
        {"name": FLAG, "value": "1h"},
        {"name": FLAG, "value": "2h"},
        {"name": "feature-gates", "value": "B=true"},
    ]
    api, kubectl = configured("v1.37.2", "v1beta4", controllerManager={"extraArgs": args, "extraVolumes": []})

    remember(kubectl)

    assert stored(api)["controllerManager"]["extraArgs"] == [*args[:2], {"name": FLAG, "value": LIFE[FLAG]}, args[3]]
    assert stored(api)["controllerManager"]["extraVolumes"] == []
    writes = list(api.writes)
    remember(kubectl)
    assert api.writes == writes


def test_nothing_is_stored_that_kubeadm_does_not_read() -> None:
    """The error has kubeadm's words and says what to do; here it is a section that somebody else has spoilt."""
    api, kubectl = configured("v1.27.1", "v1beta3", apiServer={"extraArgs": []})
    before = dict(stored(api))

    with pytest.raises(OperationError, match="was left as it is") as caught:
        remember(kubectl)

    assert "cannot unmarshal array" in caught.value.why
    assert "kubectl edit configmap kubeadm-config" in caught.value.hint
    assert caught.value.host == "cp1"
    assert stored(api) == before
    assert api.writes == []


@pytest.mark.parametrize("how", [remember, partial(mend_cluster_configuration, cri_socket=SOCKET)])
def test_what_kubeon_spoilt_is_mended(how: Any) -> None:
    """Every section, with all it has; said once."""
    spoilt = {"extraArgs": {FLAG: "1h", "v": "4"}}
    api, kubectl = configured(
        "v1.37.2", "v1beta4", controllerManager=spoilt, etcd={"local": {"dataDir": "/var/lib/etcd"}}
    )

    said = how(kubectl)

    assert said == (
        "kubeadm-config: extraArgs of controllerManager are a list again, as kubeadm.k8s.io/v1beta4 has them",
    )
    args = stored(api)["controllerManager"]["extraArgs"]
    assert [each["name"] for each in args] == [FLAG, "v"]
    assert api.read_back == [stored(api)]
    assert how(kubectl) == ()


def test_what_is_well_is_only_read() -> None:
    """Also where there is no such object."""
    api, kubectl = configured("v1.21.1", "v1beta2", controllerManager={"extraArgs": LIFE})
    without, _, machine = an_api()

    assert mend_cluster_configuration(kubectl, SOCKET) == ()
    assert mend_cluster_configuration(Kubectl(Host(a_spec().nodes[0], "cp1", FakeConnection(machine))), SOCKET) == ()

    assert api.writes == without.writes == []
