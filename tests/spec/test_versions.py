"""Releases and durations."""

from datetime import timedelta

import pytest

from kubeon.spec.versions import (
    Version,
    ca_validity,
    control_plane_labels,
    control_plane_taints,
    has_cluster_status,
    image_repository,
    kubeadm_api,
    loses_watches_on_growth,
    parse_duration,
)


@pytest.mark.parametrize(
    ("text", "days"), [("100y", 36500), ("365d", 365), ("8760h", 365), ("1440m", 1), ("250y", 91250)]
)
def test_durations(text: str, days: int) -> None:
    """Years of 365 days, days, hours, minutes."""
    assert parse_duration(text) == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "0y", "-1d", "1w", "100", "1.5y", "251y", "9" * 30 + "y", "100 y"])
def test_what_is_no_duration(text: str) -> None:
    """Zero, other units, fractions, and more than Go can count."""
    with pytest.raises(ValueError, match=r"is not a duration|longer than 250y"):
        parse_duration(text)


def test_the_longest_ca_fits_into_a_duration_of_go() -> None:
    """kubeadm reads the CA's life as int64 nanoseconds."""
    assert ca_validity(parse_duration("250y")) < timedelta(microseconds=2**63 / 1000)


@pytest.mark.parametrize("text", ["1.20", "v1.20.x", "1.34.2-gke.0", "1.34.2-rc", "v1.19.16", "v0.9.1", "latest", ""])
def test_what_is_no_release(text: str) -> None:
    """Too old, half, a vendor's, and words."""
    with pytest.raises(ValueError, match=r"not a Kubernetes release|too old"):
        Version.parse(text)


def test_releases_are_ordered() -> None:
    """By number, not by letter."""
    texts = ["v1.9.99", "v1.20.15", "v1.20.2", "v1.34.0"]

    assert sorted(map(Version.parse, texts[1:])) == [Version(1, 20, 2), Version(1, 20, 15), Version(1, 34, 0)]


def test_pre_releases_come_before_their_release_and_count_as_it() -> None:
    """alpha, beta, rc, by number; what depends on the minor release holds for them too."""
    texts = ["v1.37.2", "v1.38.0-alpha.3", "v1.38.0-beta.0", "v1.38.0-rc.1", "v1.38.0"]

    assert [str(version) for version in sorted(map(Version.parse, reversed(texts)))] == texts
    assert [Version.parse(text).is_pre_release for text in texts] == [False, True, True, True, False]
    assert Version.parse("1.38.0-beta.0").at_least(38)


@pytest.mark.parametrize(
    ("version", "api", "repository", "taints"),
    [
        ("v1.20.2", "v1beta2", "k8s.gcr.io", ("node-role.kubernetes.io/master",)),
        ("v1.22.16", "v1beta3", "k8s.gcr.io", ("node-role.kubernetes.io/master",)),
        ("v1.22.17", "v1beta3", "registry.k8s.io", ("node-role.kubernetes.io/master",)),
        (
            "v1.24.8",
            "v1beta3",
            "k8s.gcr.io",
            ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane"),
        ),
        ("v1.30.0", "v1beta3", "registry.k8s.io", ("node-role.kubernetes.io/control-plane",)),
        ("v1.31.0", "v1beta4", "registry.k8s.io", ("node-role.kubernetes.io/control-plane",)),
    ],
)
def test_what_depends_on_the_release(version: str, api: str, repository: str, taints: tuple[str, ...]) -> None:
    """The table's edges."""
    release = Version.parse(version)

    assert (kubeadm_api(release), image_repository(release), control_plane_taints(release)) == (api, repository, taints)


ROLE, NO_BALANCERS = "node-role.kubernetes.io", "node.kubernetes.io/exclude-from-external-load-balancers"


@pytest.mark.parametrize(
    ("version", "labels"),
    [
        ("v1.20.15", (f"{ROLE}/master", f"{ROLE}/control-plane")),
        ("v1.21.0", (f"{ROLE}/master", f"{ROLE}/control-plane", NO_BALANCERS)),
        ("v1.23.17", (f"{ROLE}/master", f"{ROLE}/control-plane", NO_BALANCERS)),
        ("v1.24.0", (f"{ROLE}/control-plane", NO_BALANCERS)),
        ("v1.36.0", (f"{ROLE}/control-plane", NO_BALANCERS)),
    ],
)
def test_labels_of_control_planes(version: str, labels: tuple[str, ...]) -> None:
    """As kubeadm's phase mark-control-plane has them."""
    assert control_plane_labels(Version.parse(version)) == labels


@pytest.mark.parametrize(
    ("version", "silent", "status"),
    [("v1.20.15", True, True), ("v1.21.0", False, True), ("v1.21.14", False, True), ("v1.22.0", False, False)],
)
def test_what_control_planes_that_come_and_go_need(version: str, silent: bool, status: bool) -> None:
    """A restart of the first API server, and an entry in kubeadm's own list."""
    release = Version.parse(version)

    assert (loses_watches_on_growth(release), has_cluster_status(release)) == (silent, status)
