"""How systemd/apiserver-startup asks: real programs, one at a time, and real sockets on loopback."""

import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.haproxy.programs import ApiServer, api_servers, certificate
from tests.lb.worker import SHELLS, Worker

TOOLS = ("curl", "bash", "nc", "openssl")
DEAD = [f"127.0.0.{number}" for number in range(2, 10)]
CLUSTER_IP = "127.0.0.20"
# What `start` may take: a second for the cluster IP, two for all control planes together, two for the lock.
LIMIT = 1 + 2 + 2


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server that lets no stranger read /readyz, on 127.0.0.1."""
    with api_servers(certificate(tmp_path_factory.mktemp("api")), 1) as (made,):
        made.ready = 403
        yield made


@contextmanager
def silent(port: int, *addresses: str) -> Iterator[None]:
    """Hosts that drop every SYN: nobody takes from their queues, which are full."""
    with ExitStack() as stack:
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            for _ in range(4):
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex((address, port))
        yield


def a_worker(folder: Path, tool: str, port: int, shell: tuple[str, ...] = ("dash",)) -> Worker:
    """A host with this program to ask with and no other; eight dead control planes stand before the one that lives."""
    worker = Worker(folder, shell)
    worker.without("curl")
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    worker.link(tool)
    worker.settings(address=CLUSTER_IP, port=port)
    worker.control_planes(*DEAD, "127.0.0.1", port=port)
    return worker


def start_leads_to(worker: Worker, address: str) -> bool:
    """On a machine with much to do a living server may miss a second or two; then it is asked again."""
    return any(worker.run("start") or worker.leads_to == address for _ in range(5))


@pytest.mark.parametrize("tool", TOOLS)
def test_each_program_alone_finds_the_one_that_lives(tool: str, server: ApiServer, tmp_path: Path) -> None:
    """Among some that refuse and some that are silent, whatever the API server thinks of strangers."""
    worker = a_worker(tmp_path, tool, server.port)

    with silent(server.port, *DEAD[::2], CLUSTER_IP):
        assert start_leads_to(worker, "127.0.0.1")


@pytest.mark.parametrize("tool", TOOLS)
def test_each_program_alone_knows_the_cluster_ip(tool: str, server: ApiServer, tmp_path: Path) -> None:
    """It answers, so that is where the line leads."""
    worker = a_worker(tmp_path, tool, server.port)
    worker.settings(address="127.0.0.1", port=server.port)

    assert start_leads_to(worker, "127.0.0.1")


@pytest.mark.parametrize(("tool", "shell"), [(tool, SHELLS[0]) for tool in TOOLS] + [("bash", sh) for sh in SHELLS[1:]])
def test_nine_silent_control_planes_cost_the_time_of_one(
    tool: str, shell: tuple[str, ...], server: ApiServer, tmp_path: Path
) -> None:
    """One after the other they would be 9 times 2 seconds."""
    worker = a_worker(tmp_path, tool, server.port, shell)
    worker.control_planes(*DEAD, "127.0.0.10", port=server.port)
    begun = time.monotonic()

    with silent(server.port, *DEAD, "127.0.0.10", CLUSTER_IP):
        worker.run("start")

    assert time.monotonic() - begun < LIMIT + 7  # a machine with much to do
    assert worker.said == [
        f"neither the cluster IP {CLUSTER_IP} nor a control plane answers: /etc/hosts stays as it is"
    ]


def test_a_server_without_tls_is_no_api_server(tmp_path: Path) -> None:
    """Where curl is, to be connected is not enough."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        worker = a_worker(tmp_path, "curl", other.getsockname()[1])

        worker.run("start")

    assert worker.said[-1].startswith("neither")


@pytest.mark.parametrize("code", [1, 2, 4, 127])
def test_a_curl_that_is_of_no_use_is_passed_over(code: int, server: ApiServer, tmp_path: Path) -> None:
    """Built without https, or with a library missing: the next program is asked."""
    worker = a_worker(tmp_path, "bash", server.port)
    worker.program("curl", f"exit {code}\n")

    assert start_leads_to(worker, "127.0.0.1")


def test_the_proxy_of_the_environment_is_not_asked(server: ApiServer, tmp_path: Path) -> None:
    """Nodes talk to their API without one."""
    worker = a_worker(tmp_path, "curl", server.port)
    curl = shutil.which("curl")
    worker.program("curl", f'https_proxy=http://127.0.0.99:9 ALL_PROXY=http://127.0.0.99:9 exec {curl} "$@"\n')

    assert start_leads_to(worker, "127.0.0.1")
