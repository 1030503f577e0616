"""Releases and durations."""

from datetime import timedelta

import pytest

from kubeon.spec.versions import (
    Version,
    ca_validity,
    control_plane_taints,
    image_repository,
    kubeadm_api,
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


@pytest.mark.parametrize("text", ["1.20", "v1.20.x", "1.34.2-rc.0", "v1.19.16", "v0.9.1", "latest", ""])
def test_what_is_no_release(text: str) -> None:
    """Too old, half, pre-releases and words."""
    with pytest.raises(ValueError, match=r"not a Kubernetes release|pre-release|too old"):
        Version.parse(text)


def test_releases_are_ordered() -> None:
    """By number, not by letter."""
    texts = ["v1.9.99", "v1.20.15", "v1.20.2", "v1.34.0"]

    assert sorted(map(Version.parse, texts[1:])) == [Version(1, 20, 2), Version(1, 20, 15), Version(1, 34, 0)]


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
