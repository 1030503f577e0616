"""Certificates of nodes: as kubeadm makes them, and made anew only when there is a reason."""

import itertools
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import verification

from kubeon.errors import OperationError
from kubeon.pki.authorities import Authorities, Authority, general_name, new_authorities
from kubeon.pki.inspect import CertificateInfo, describe, signer
from kubeon.pki.issuing import control_plane_files, kubelet_client, kubelet_serving, paths
from kubeon.pki.kubeconfigs import Kubeconfig, parse, render
from kubeon.pki.leaves import (
    KUBELET_CLIENT_LINK,
    KUBELET_CLIENT_PEM,
    KUBELET_CONF,
    KUBELET_SERVING,
    Leaf,
    api_names,
    control_plane_leaves,
    kubelet_serving_leaf,
)
from tests.pki.factories import CENTURY, NOW, a_request

PKI = "/etc/kubernetes/pki"
CONF = "/etc/kubernetes"
KUBELET_ACCESS = f"{PKI}/apiserver-kubelet-client.crt"


def info(files: dict[str, bytes], path: str) -> CertificateInfo:
    """What the certificate at a path says."""
    return describe(files[path], path)


def test_a_control_plane_gets_kubeadms_files(authorities: Authorities) -> None:
    """Names relative to /etc/kubernetes are kubeadm's."""
    files = control_plane_files(authorities, a_request(super_admin=True), NOW, {}).files
    pairs = {path.removesuffix(".crt") for path in files if path.endswith(".crt")}

    assert pairs == {
        *(f"{PKI}/apiserver", f"{PKI}/apiserver-kubelet-client", f"{PKI}/apiserver-etcd-client"),
        *(f"{PKI}/front-proxy-client", f"{PKI}/etcd/server", f"{PKI}/etcd/peer", f"{PKI}/etcd/healthcheck-client"),
    }
    assert set(files) - {f"{pair}{suffix}" for pair in pairs for suffix in (".crt", ".key")} == {
        f"{CONF}/{name}.conf" for name in ("admin", "super-admin", "controller-manager", "scheduler")
    }


# how a worker might call itself, or be called, to get a certificate for the API
HOSTILE = (
    *("apiserver.cluster.local", "APISERVER.cluster.local", "apiserver.cluster.local.", "*.cluster.local", "localhost"),
    *("kubernetes", "Kubernetes", "kubernetes.default", "kubernetes.default.svc."),
    "kubernetes.default.svc.cluster.local",
    *("10.96.0.1", "010.96.0.1", "10.96.1", "174063617", "::ffff:10.96.0.1", "::ffff:a60:1", "127.0.0.1", "10.0.0.99"),
    *("api.example.org", "API.example.ORG", "x.wild.example.org", "*.wild.example.org", "192.0.2.7", "::1", "", "*"),
)
SANS = ("api.example.org", "*.wild.example.org", "192.0.2.7")


@pytest.mark.parametrize("name", [*HOSTILE, "w1", "w1.example.org", "kubernetes.example.org", "10.0.0.12"])
def test_no_certificate_of_a_worker_is_good_for_a_name_of_the_api(authorities: Authorities, name: str) -> None:
    """Asked as clients ask: is it valid for this name? No worker's is, whatever the worker is called."""
    request = a_request(node_name=name, address="10.0.0.12", sans=SANS, control_plane=False)
    api = [*api_names(a_request(sans=SANS)), "any.wild.example.org", "10.0.0.99"]
    try:
        issued = kubelet_serving(authorities, request, NOW, {}) | kubelet_client(authorities, request, NOW, {})
    except OperationError:
        assert name in HOSTILE
        return
    assert name not in HOSTILE
    certificates = [
        x509.load_pem_x509_certificate(issued.files[path]) for path in (KUBELET_SERVING, KUBELET_CLIENT_PEM)
    ]
    policy = verification.PolicyBuilder().store(verification.Store([authorities.ca.certificate])).time(NOW)
    assert policy.build_server_verifier(x509.IPAddress(IPv4Address("10.0.0.12"))).verify(certificates[0], [])
    for each in api:
        name_asked = general_name(each.replace("*", "any"))
        assert isinstance(name_asked, x509.DNSName | x509.IPAddress)
        verifier = policy.build_server_verifier(name_asked)
        for certificate in certificates:
            with pytest.raises(verification.VerificationError):
                verifier.verify(certificate, [])


@pytest.mark.parametrize("sans", [("10.0.0.12",), ("10.0.0.12", "w1.example.org")])
def test_no_worker_has_an_address_of_the_api(authorities: Authorities, sans: tuple[str, ...]) -> None:
    """That of a load balancer, for instance. A control plane may: it is the API."""
    request = a_request(node_name="w1", address="10.0.0.12", sans=sans, control_plane=False)

    with pytest.raises(OperationError, match=r"w1 at 10\.0\.0\.12"):
        kubelet_serving(authorities, request, NOW, {})
    assert kubelet_serving(authorities, replace(request, control_plane=True), NOW, {}).files


@pytest.mark.parametrize(
    ("version", "admin", "etcd"),
    [("v1.20.2", ("system:masters",), ("system:masters",)), ("v1.34.1", ("kubeadm:cluster-admins",), ())],
)
def test_groups_follow_the_release(
    authorities: Authorities, version: str, admin: tuple[str, ...], etcd: tuple[str, ...]
) -> None:
    """Since 1.29 kubeadm hands out less power."""
    files = control_plane_files(authorities, a_request(version, super_admin=True), NOW, {}).files

    assert info(files, f"{CONF}/admin.conf").organizations == admin
    assert info(files, f"{PKI}/apiserver-kubelet-client.crt").organizations == admin
    assert info(files, f"{PKI}/apiserver-etcd-client.crt").organizations == etcd
    assert info(files, f"{PKI}/etcd/healthcheck-client.crt").organizations == etcd
    assert (f"{CONF}/super-admin.conf" in files) == (version == "v1.34.1")


def test_subjects_and_signers_are_kubeadms(authorities: Authorities) -> None:
    """Kubernetes knows users by these names."""
    files = control_plane_files(authorities, a_request(), NOW, {}).files
    found = {
        path.removeprefix(f"{CONF}/"): (describe(text).common_name, signer(text, authorities))
        for path, text in files.items()
        if not path.endswith(".key")
    }

    assert found == {
        "pki/apiserver.crt": ("kube-apiserver", "ca"),
        "pki/apiserver-kubelet-client.crt": ("kube-apiserver-kubelet-client", "ca"),
        "pki/front-proxy-client.crt": ("front-proxy-client", "front-proxy-ca"),
        "pki/etcd/server.crt": ("cp1", "etcd-ca"),
        "pki/etcd/peer.crt": ("cp1", "etcd-ca"),
        "pki/etcd/healthcheck-client.crt": ("kube-etcd-healthcheck-client", "etcd-ca"),
        "pki/apiserver-etcd-client.crt": ("kube-apiserver-etcd-client", "etcd-ca"),
        "admin.conf": ("kubernetes-admin", "ca"),
        "controller-manager.conf": ("system:kube-controller-manager", "ca"),
        "scheduler.conf": ("system:kube-scheduler", "ca"),
    }


def test_the_api_servers_names(authorities: Authorities) -> None:
    """Every way to the API is covered, once."""
    request = a_request(sans=("203.0.113.7", "api.example.com", "10.0.0.11"))
    files = control_plane_files(authorities, request, NOW, {}).files

    assert info(files, f"{PKI}/apiserver.crt").names == (
        *("cp1", "kubernetes", "kubernetes.default", "kubernetes.default.svc"),
        *("kubernetes.default.svc.cluster.local", "localhost", "apiserver.cluster.local"),
        *("10.96.0.1", "127.0.0.1", "203.0.113.7", "api.example.com", "10.0.0.11"),
    )


def test_local_components_use_the_local_api_server(authorities: Authorities) -> None:
    """As kubeadm: no load balancer between the controller manager and its API server."""
    files = control_plane_files(authorities, a_request(), NOW, {}).files

    assert parse(files[f"{CONF}/controller-manager.conf"]).server == "https://10.0.0.11:6443"
    assert parse(files[f"{CONF}/scheduler.conf"]).server == "https://10.0.0.11:6443"
    assert parse(files[f"{CONF}/admin.conf"]).server == "https://apiserver.cluster.local:6443"


def test_everything_lives_for_more_than_99_years(authorities: Authorities) -> None:
    """Also what is made a year after the CA; and everything is valid an hour ago."""
    later = NOW + timedelta(days=400)
    request = a_request()
    issued = (
        control_plane_files(authorities, request, later, {})
        | kubelet_serving(authorities, request, later, {})
        | kubelet_client(authorities, request, later, {})
    )
    infos = [info(issued.files, path) for path in issued.files if not path.endswith(".key") and path != KUBELET_CONF]

    assert len(infos) == 12
    assert all(certificate.days_left(later) > 99 * 365 for certificate in infos)
    assert all(certificate.not_before == later - timedelta(hours=1) for certificate in infos)


def test_no_certificate_outlives_its_ca() -> None:
    """Verifiers would stop to accept it with the CA anyway."""
    short = new_authorities(timedelta(days=100), NOW)
    files = control_plane_files(short, a_request(), NOW, {}).files

    assert info(files, f"{PKI}/apiserver.crt").not_after == short.ca.certificate.not_valid_after_utc
    assert not control_plane_files(short, a_request(), NOW + timedelta(days=90), files).files


@pytest.mark.parametrize("validity", [CENTURY, timedelta(days=365), timedelta(days=1)])
def test_a_second_run_writes_nothing(authorities: Authorities, validity: timedelta) -> None:
    """The same day and the next hour."""
    request = a_request(validity=validity)
    existing = control_plane_files(authorities, request, NOW, {}).files
    existing |= kubelet_serving(authorities, request, NOW, {}).files
    client = kubelet_client(authorities, request, NOW, {}).files
    existing |= {KUBELET_CONF: client[KUBELET_CONF], KUBELET_CLIENT_LINK: client[KUBELET_CLIENT_PEM]}
    later = NOW + timedelta(hours=1)

    assert set(existing) == set(paths(request, control_plane=True))
    assert not control_plane_files(authorities, request, later, existing).files
    assert not kubelet_serving(authorities, request, later, existing).files
    assert not kubelet_client(authorities, request, later, existing).files


def replaced(authorities: Authorities, path: str, content: bytes) -> dict[str, str]:
    """Reasons found when one file of a control plane holds something else."""
    existing = control_plane_files(authorities, a_request(), NOW, {}).files
    return control_plane_files(authorities, a_request(), NOW, {**existing, path: content}).reasons


def test_only_the_damaged_leaf_is_made_anew(authorities: Authorities) -> None:
    """Its neighbours stay as they are."""
    reasons = replaced(authorities, f"{PKI}/apiserver.crt", b"nonsense")

    assert list(reasons) == [f"{PKI}/apiserver.crt"]
    assert reasons[f"{PKI}/apiserver.crt"].startswith("damaged")
    assert replaced(authorities, f"{PKI}/etcd/peer.key", b"") == {f"{PKI}/etcd/peer.crt": "missing"}


def test_a_foreign_key_is_noticed(authorities: Authorities) -> None:
    """A certificate is useless with another key."""
    other = control_plane_files(authorities, a_request(), NOW, {}).files

    assert replaced(authorities, f"{PKI}/apiserver.key", other[f"{PKI}/apiserver.key"]) == {
        f"{PKI}/apiserver.crt": "certificate and key do not belong together"
    }


def test_another_clusters_certificates_are_noticed(authorities: Authorities) -> None:
    """What an earlier cluster left behind is not used."""
    left_behind = control_plane_files(new_authorities(CENTURY, NOW), a_request(), NOW, {}).files
    reasons = control_plane_files(authorities, a_request(), NOW, left_behind).reasons

    assert reasons[f"{PKI}/apiserver.crt"] == "not signed by this cluster's CA"
    assert reasons[f"{CONF}/admin.conf"] == "trusts another CA"
    assert len(reasons) == 10


@pytest.mark.parametrize(
    ("days", "reason"), [(334, ""), (336, "expires on 2027-01-02"), (365, "expired on 2027-01-02")]
)
def test_certificates_are_renewed_a_month_before_they_expire(authorities: Authorities, days: int, reason: str) -> None:
    """With a validity of a year."""
    request = a_request(validity=timedelta(days=365))
    existing = control_plane_files(authorities, request, NOW, {}).files
    reasons = control_plane_files(authorities, request, NOW + timedelta(days=days), existing).reasons

    assert reasons.get(f"{PKI}/apiserver.crt", "") == reason


def test_kubeadms_year_becomes_a_century(authorities: Authorities) -> None:
    """A certificate made for less than is wanted now is replaced."""
    existing = control_plane_files(authorities, a_request(validity=timedelta(days=365)), NOW, {}).files
    reasons = control_plane_files(authorities, a_request(), NOW, existing).reasons

    assert reasons[f"{PKI}/apiserver.crt"] == "made for 365 days instead of 36500"


def test_a_new_name_is_added(authorities: Authorities) -> None:
    """Only the API server's certificate carries it."""
    existing = control_plane_files(authorities, a_request(), NOW, {}).files
    reasons = control_plane_files(authorities, a_request(sans=("lb.example.com",)), NOW, existing).reasons

    assert reasons == {f"{PKI}/apiserver.crt": "lacks the names lb.example.com"}


def test_a_name_less_is_no_reason(authorities: Authorities) -> None:
    """Certificates of other makers hold more names; kubeadm accepts them too."""
    existing = control_plane_files(authorities, a_request(sans=("lb.example.com",)), NOW, {}).files

    assert not control_plane_files(authorities, a_request(), NOW, existing).files


def test_a_moved_endpoint_rewrites_the_kubeconfigs(authorities: Authorities) -> None:
    """And the API server's certificate, which has to have the new name."""
    existing = control_plane_files(authorities, a_request(), NOW, {}).files
    issued = control_plane_files(authorities, a_request(endpoint="lb.example.com:8443"), NOW, existing)

    assert set(issued.reasons) == {f"{PKI}/apiserver.crt", f"{CONF}/admin.conf"}
    assert "https://lb.example.com:8443" in issued.reasons[f"{CONF}/admin.conf"]


def test_an_upgrade_keeps_stronger_certificates(authorities: Authorities) -> None:
    """Until kubeadm 1.29 has given the new group its rights, the old group is what works."""
    existing = control_plane_files(authorities, a_request("v1.28.5"), NOW, {}).files

    assert not control_plane_files(authorities, a_request("v1.29.0"), NOW, existing).files


@pytest.mark.parametrize(
    ("version", "group"),
    [
        ("v1.28.9", ("system:masters",)),
        ("v1.32.13", ("kubeadm:cluster-admins",)),
        ("v1.33.11", ("kubeadm:cluster-admins",)),
        ("v1.33.12", ()),
        ("v1.34.7", ("kubeadm:cluster-admins",)),
        ("v1.34.8", ()),
        ("v1.35.4", ("kubeadm:cluster-admins",)),
        ("v1.35.5", ()),
        ("v1.36.0", ("kubeadm:cluster-admins",)),
        ("v1.36.1", ()),
        ("v1.37.0", ()),
        ("v1.38.0", ()),
    ],
)
def test_api_servers_come_to_kubelets_with_what_the_release_gives_them(
    authorities: Authorities, version: str, group: tuple[str, ...]
) -> None:
    """Of current releases no group at all: a binding names the user."""
    files = control_plane_files(authorities, a_request(version), NOW, {}).files

    assert info(files, KUBELET_ACCESS).organizations == group


@pytest.mark.parametrize(("old", "new"), list(itertools.permutations(("v1.28.9", "v1.36.0", "v1.37.2"), 2)))
def test_another_releases_way_to_kubelets_is_fit_and_never_gets_more_rights(
    authorities: Authorities, old: str, new: str
) -> None:
    """It is left as it is; when it is asked for, one that did without a group gets none."""
    existing = control_plane_files(authorities, a_request(old), NOW, {}).files
    assert KUBELET_ACCESS not in control_plane_files(authorities, a_request(new), NOW, existing).reasons

    files = control_plane_files(authorities, a_request(new), NOW, existing, renew=[KUBELET_ACCESS]).files

    wanted = a_request(old if old == "v1.37.2" else new)
    assert info(files, KUBELET_ACCESS).organizations == control_plane_leaves(wanted)[1].subject.organizations


def test_renewing_by_name(authorities: Authorities) -> None:
    """`kubeon certs renew` makes fit certificates anew."""
    existing = control_plane_files(authorities, a_request(), NOW, {}).files
    renewed = control_plane_files(authorities, a_request(), NOW, existing, renew=[f"{CONF}/admin.conf"])

    assert renewed.reasons == {f"{CONF}/admin.conf": "asked for"}


def test_the_kubelet_serves_with_the_clusters_ca(authorities: Authorities) -> None:
    """What the kubelet has signed by itself is replaced."""
    files = kubelet_serving(authorities, a_request(), NOW, {}).files
    own = {path: files[path] for path in files}
    foreign = kubelet_serving(new_authorities(CENTURY, NOW), a_request(), NOW, {}).files

    assert set(own) == {"/var/lib/kubelet/pki/kubelet.crt", "/var/lib/kubelet/pki/kubelet.key"}
    assert info(own, "/var/lib/kubelet/pki/kubelet.crt").names == ("cp1", "10.0.0.11")
    assert kubelet_serving(authorities, a_request(), NOW, foreign).reasons == {
        "/var/lib/kubelet/pki/kubelet.crt": "not signed by this cluster's CA"
    }


def test_kubelet_conf_points_to_the_link(authorities: Authorities) -> None:
    """The kubelet then asks for no certificate, and kubeadm finds the user it looks for."""
    files = kubelet_client(authorities, a_request(), NOW, {}).files
    kubeconfig = parse(files[KUBELET_CONF])
    certificate = describe(files[KUBELET_CLIENT_PEM])

    assert kubeconfig.certificate_path == KUBELET_CLIENT_LINK
    assert kubeconfig.user == certificate.common_name == "system:node:cp1"
    assert certificate.organizations == ("system:nodes",)


def test_a_control_planes_kubelet_goes_to_the_api_server_beside_it_since_1_33(authorities: Authorities) -> None:
    """Before, and on workers, to the endpoint."""
    local, endpoint = "https://10.0.0.11:6443", "https://apiserver.cluster.local:6443"
    for request, server in (
        (a_request("v1.32.13"), endpoint),
        (a_request("v1.33.0"), local),
        (a_request("v1.33.0", control_plane=False), endpoint),
    ):
        assert parse(kubelet_client(authorities, request, NOW, {}).files[KUBELET_CONF]).server == server


@pytest.mark.parametrize(("old", "new"), [("v1.32.13", "v1.33.0"), ("v1.33.0", "v1.32.13")])
def test_either_way_of_a_control_planes_kubelet_is_fit_and_stays(authorities: Authorities, old: str, new: str) -> None:
    """Also when the file is written anew for another reason; only another server is not."""
    files = kubelet_client(authorities, a_request(old), NOW, {}).files
    existing = {KUBELET_CONF: files[KUBELET_CONF], KUBELET_CLIENT_LINK: files[KUBELET_CLIENT_PEM]}
    assert not kubelet_client(authorities, a_request(new), NOW, existing).files

    rotated = kubelet_client(new_authorities(CENTURY, NOW), a_request(new), NOW, existing).files
    assert parse(rotated[KUBELET_CONF]).server == parse(files[KUBELET_CONF]).server

    worker = a_request(new, control_plane=False)
    assert (KUBELET_CONF in kubelet_client(authorities, worker, NOW, existing).files) == (old == "v1.33.0")
    detour = {**existing, KUBELET_CONF: files[KUBELET_CONF].replace(b"10.0.0.11", b"10.0.0.12")}
    assert (KUBELET_CONF in kubelet_client(authorities, a_request(new), NOW, detour).files) == (old == "v1.33.0")


def test_a_rotated_kubelet_certificate_is_kept(authorities: Authorities) -> None:
    """What the controller manager signed later is as good; only kubelet.conf is checked for its target."""
    files = kubelet_client(authorities, a_request(), NOW, {}).files
    rotated = kubelet_client(authorities, a_request(), NOW + timedelta(days=1), {}).files[KUBELET_CLIENT_PEM]
    existing = {KUBELET_CONF: files[KUBELET_CONF], KUBELET_CLIENT_LINK: rotated}

    assert not kubelet_client(authorities, a_request(), NOW + timedelta(days=2), existing).files


def test_an_embedded_kubelet_conf_is_replaced(authorities: Authorities) -> None:
    """kubeadm's own form, before the kubelet has taken over."""
    files = kubelet_client(authorities, a_request(), NOW, {}).files
    embedded = render(Kubeconfig("system:node:cp1", a_request().endpoint_url, authorities.ca.pem, b"c", b"k"))
    existing = {KUBELET_CONF: embedded, KUBELET_CLIENT_LINK: files[KUBELET_CLIENT_PEM]}

    assert list(kubelet_client(authorities, a_request(), NOW, existing).files) == [KUBELET_CONF]


def test_issued_does_not_show_keys(authorities: Authorities) -> None:
    """Plans and logs show reasons only."""
    issued = control_plane_files(authorities, a_request(), NOW, {})

    assert "BEGIN" not in repr(issued)
    assert "missing" in repr(issued)


def openssl(*words: Any) -> str:
    """Run openssl and return what it says."""
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def written(authorities: Authorities, tmp_path: Path) -> Callable[[Leaf], tuple[Path, Path]]:
    """Writes a leaf's certificate and its CA and returns both paths."""

    def write(leaf: Leaf) -> tuple[Path, Path]:
        authority: Authority = getattr(authorities, leaf.authority)
        pair = authority.issue(leaf.subject, leaf.usages, leaf.names, validity=CENTURY, now=NOW)
        (tmp_path / "ca.crt").write_bytes(authority.pem)
        (tmp_path / "leaf.crt").write_bytes(pair.certificate)
        return tmp_path / "ca.crt", tmp_path / "leaf.crt"

    return write


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
@pytest.mark.parametrize(
    "leaf", [*control_plane_leaves(a_request()), kubelet_serving_leaf(a_request())], ids=lambda leaf: leaf.path
)
def test_openssl_verifies(written: Callable[[Leaf], tuple[Path, Path]], leaf: Leaf) -> None:
    """Chain, strict form and purpose are right in the eyes of another implementation."""
    ca, certificate = written(leaf)
    text = openssl("x509", "-in", certificate, "-noout", "-text")

    at = str(int((NOW + timedelta(days=99 * 365)).timestamp()))
    assert "OK" in openssl("verify", "-attime", at, "-CAfile", ca, certificate)
    for usage in leaf.usages:
        purpose = {"serverAuth": "sslserver", "clientAuth": "sslclient"}[usage._name]
        assert "OK" in openssl("verify", "-attime", at, "-purpose", purpose, "-CAfile", ca, certificate)
    assert "Digital Signature, Key Encipherment" in text
    assert "CA:FALSE" in text
