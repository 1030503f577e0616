"""The way to the API: which server is asked, and what is read again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from apiserver_updater.cluster import Api, ApiError, base_url
from kubeon.pki.authorities import Authorities
from tests.updater.fake import Clock, FakeApi, an_api, answer, run
from tests.updater.objects import LEASE, SOURCES

SERVICE, FIRST, SECOND = "https://10.96.0.1:443", "https://10.0.0.11:6443", "https://[fd00::12]:6443"


@pytest.fixture
def three(api: Api) -> Api:
    """The service address and two that were learnt."""
    api.learn([FIRST, SECOND])
    return api


def down(fake: FakeApi, *urls: str) -> Callable[[str, str], None]:
    """These do not take connections."""

    def before(method: str, path: str) -> None:
        if fake.asked[-1].split()[1].startswith(urls):
            raise TimeoutError("no connection")

    return before


def asked(fake: FakeApi) -> list[str]:
    """Which servers."""
    return [url.split()[1].removesuffix(LEASE) for url in fake.asked]


def test_addresses_become_urls() -> None:
    """Those of IPv6 in brackets."""
    assert base_url("10.0.0.11", 6443) == FIRST
    assert base_url("fd00::12", "6443") == SECOND


def test_the_service_address_is_asked_first(fake: FakeApi, three: Api) -> None:
    """kube-proxy shares the load."""
    run(three.call("GET", LEASE))

    assert asked(fake) == [SERVICE]


@pytest.mark.parametrize("failing", [429, 500, 503, 504])
def test_one_server_after_another_is_asked(fake: FakeApi, three: Api, failing: int) -> None:
    """Whether it does not answer, or says that it cannot; and one that failed is asked last for a while."""
    fake.before = down(fake, SERVICE)
    answers = iter([answer(failing)])

    def before(method: str, path: str) -> object:
        down(fake, SERVICE)(method, path)
        return next(answers, None)

    fake.before = before

    async def twice() -> None:
        await three.call("GET", LEASE)
        await three.call("GET", LEASE)

    run(twice())

    assert asked(fake) == [SERVICE, FIRST, SECOND, SECOND]


def test_the_service_address_is_asked_again_after_a_while(fake: FakeApi, three: Api, clock: Clock) -> None:
    """Longer and longer while, but a minute or so at most."""
    fake.before = down(fake, SERVICE)

    async def minutes() -> list[int]:
        counts = []
        for _ in range(20):
            clock.forward(30)
            await three.call("GET", LEASE)
            counts.append(asked(fake).count(SERVICE))
        fake.before = lambda method, path: None
        clock.forward(75)
        await three.call("GET", LEASE)
        return counts

    counts = run(minutes())

    assert 7 <= counts[-1] <= 14
    assert asked(fake)[-1] == SERVICE


def test_with_nobody_there_it_says_why(fake: FakeApi, three: Api) -> None:
    """All are tried, once."""
    fake.before = down(fake, "https://")

    with pytest.raises(ApiError, match=r"GET .*leases.*: https://\[fd00::12\]:6443: TimeoutError"):
        run(three.call("GET", LEASE))
    assert len(fake.asked) == 3


def test_what_is_said_by_the_api_itself_is_no_failure_of_a_server(fake: FakeApi, three: Api) -> None:
    """Another one would say the same."""
    fake.before = lambda method, path: answer(403, {"message": "forbidden"})

    with pytest.raises(ApiError, match="403 forbidden") as raised:
        run(three.call("GET", LEASE))
    assert raised.value.status == 403
    assert asked(fake) == [SERVICE]


def test_a_watch_that_breaks_goes_elsewhere_next(fake: FakeApi, three: Api) -> None:
    """The server may be gone."""

    def before(method: str, path: str) -> None:
        if len(fake.asked) == 1:
            raise ConnectionResetError("reset")

    fake.before, fake.watches = before, [[]]
    params = {"watch": "true", "fieldSelector": "metadata.name=kubernetes", "allowWatchBookmarks": "true"}

    async def twice() -> None:
        with pytest.raises(ApiError):
            await three.follow(SOURCES, params, 5, lambda _: None)
        await three.follow(SOURCES, params, 5, lambda _: None)

    run(twice())

    assert [url.split("/apis")[0] for url in asked(fake)] == [SERVICE, FIRST]


def test_token_and_ca_are_read_again(fake: FakeApi, api: Api, tmp_path: Path, some_authorities: Authorities) -> None:
    """Half-written or absent ones are not taken; those of before are good a while longer."""

    async def rotate() -> None:
        for token, ca in (
            ("first", some_authorities.ca.pem),
            ("second", some_authorities.etcd_ca.pem),
            ("", b"-----BEGIN CERT"),
        ):
            (tmp_path / "token").write_text(token)
            (tmp_path / "ca.crt").write_bytes(ca)
            await api.call("GET", LEASE)
        (tmp_path / "token").unlink()
        (tmp_path / "ca.crt").unlink()
        await api.call("GET", LEASE)

    run(rotate())

    assert fake.tokens == ["first", "second", "second", "second"]


def test_without_a_ca_nobody_is_asked(
    fake: FakeApi, tmp_path: Path, some_authorities: Authorities, clock: Clock
) -> None:
    """The token is for the cluster's own servers."""
    api = an_api(fake, tmp_path, some_authorities, clock)
    (tmp_path / "ca.crt").unlink()

    with pytest.raises(ApiError):
        run(api.call("GET", LEASE))
    assert fake.asked == []
