"""The package as a whole: what it needs, what it takes, and what it tells."""

import ast
import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from apiserver_updater.__main__ import arguments
from apiserver_updater.health import Health
from apiserver_updater.report import Metrics, Pulse, Seldom
from tests.lab.mirror.services import free_port
from tests.updater.fake import Clock, run

PACKAGE = Path(__file__).parents[2] / "updater/apiserver_updater"
MODULES = sorted(PACKAGE.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_needs_an_old_python_only(module: Path) -> None:
    """The image has nothing of kubeon, and may have Debian's Python."""
    tree = ast.parse(module.read_text(), feature_version=(3, 9))

    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    foreign = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)
    assert foreign <= {"apiserver_updater"}
    assert ast.get_docstring(tree)
    assert len(module.read_text().splitlines()) <= 400


def test_in_a_pod_no_argument_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet says where the API is."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00:10:96::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    given = arguments([])

    assert given.api == ["https://[fd00:10:96::1]:443"]
    assert (given.namespace, given.health_port) == ("kube-system", 8843)


@pytest.mark.parametrize("words", [[], ["--api=https://a", "--lease-duration=5"], ["--api=https://a", "extra"]])
def test_bad_arguments_are_usage_errors(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, and why."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(SystemExit) as raised:
        arguments(words)
    assert raised.value.code == 2


def test_health_is_that_of_the_loops(clock: Clock) -> None:
    """One that has not turned in its time is stuck, and named; readiness is another thing."""
    pulse, metrics, ready = Pulse(clock), Metrics(), False
    health = Health(pulse, metrics, lambda: ready)
    pulse.beat("watch", 10)
    pulse.beat("election", 30)

    assert health.answer("/healthz") == (200, "ok\n")
    assert health.answer("/readyz")[0] == 503
    clock.forward(11)
    assert health.answer("/healthz") == (500, "stuck: watch\n")
    pulse.beat("watch", 10)
    ready = True
    assert health.answer("/healthz")[0] == health.answer("/readyz")[0] == 200


def test_health_is_served_over_http() -> None:
    """On loopback as on all addresses; whoever says nothing, or nonsense, disturbs nobody."""
    port = free_port()
    metrics = Metrics()
    metrics.add("watch_restarts_total", "gone")

    async def ask() -> list[httpx.Response]:
        server = await Health(Pulse(), metrics, lambda: True).start(port)
        _, silent = await asyncio.open_connection("127.0.0.1", port)
        _, nonsense = await asyncio.open_connection("127.0.0.1", port)
        nonsense.write(b"\r\n\r\n")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            answers = [await client.get(path) for path in ("/healthz?verbose", "/metrics", "/other")]
            answers.append(await client.post("/healthz"))
        silent.close()
        nonsense.close()
        server.close()
        return answers

    answers = run(ask())

    assert [answer.status_code for answer in answers] == [200, 200, 404, 405]
    assert 'apiserver_updater_watch_restarts_total{reason="gone"} 1\n' in answers[1].text
    assert "# TYPE apiserver_updater_writes_total counter\n" in answers[1].text


def test_what_is_said_again_is_said_once_a_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Another thing is said at once."""
    seldom = Seldom(clock)

    for text in ("one", "one", "two"):
        seldom.say(text)
    clock.forward(61)
    seldom.say("one")

    assert capsys.readouterr().out.split() == ["one", "two", "one"]
