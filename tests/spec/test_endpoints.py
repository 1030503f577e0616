"""host:port."""

import pytest

from kubeon.spec.endpoints import Endpoint, api_server


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("10.0.0.1:6443", Endpoint("10.0.0.1", 6443)),
        ("lb.example:8443", Endpoint("lb.example", 8443)),
        ("[fd00::1]:6443", Endpoint("fd00::1", 6443)),
        ("lb.example", Endpoint("lb.example", 0)),
        ("fd00::1", Endpoint("fd00::1", 0)),
        ("lb.example:6443/", Endpoint("lb.example", 0)),
        ("", Endpoint("", 0)),
    ],
)
def test_what_is_read(text: str, wanted: Endpoint) -> None:
    """A host alone has no port."""
    assert Endpoint.parse(text) == wanted


def test_what_is_written_can_be_read() -> None:
    """An address with colons stands in brackets."""
    for each in (Endpoint("10.0.0.1", 6443), Endpoint("fd00::1", 6443)):
        assert Endpoint.parse(str(each)) == each
    assert api_server("10.0.0.1").url == "https://10.0.0.1:6443"
