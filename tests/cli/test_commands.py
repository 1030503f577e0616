"""Commands: flags to values, one call, the result; and every exit code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from kubeon import cli
from kubeon.cli.commands import ALIASES, COMMANDS
from kubeon.console.shapes import SHAPES
from kubeon.engine.events import Event, Status
from kubeon.errors import (
    BundleError,
    HostError,
    HostErrors,
    Interrupted,
    KubeonError,
    PreflightError,
    SpecError,
    StateError,
    UsageError,
)
from kubeon.operations.base import Plan
from kubeon.preflight import Severity
from kubeon.spec.loading import build_spec
from kubeon.spec.model import Role
from kubeon.state.home import Home
from tests.cli.conftest import Operations, Ran, a_finding
from tests.commands import commands_of
from tests.golden import assert_golden

Run = Callable[..., Ran]
CREATE = ("create", "demo", "v1.34.2", "-m", "10.0.0.1")


def all_commands() -> list[tuple[str, click.Command]]:
    """By name, the group first."""
    return [("kubeon", cli.cli), *commands_of(cli.cli)]


@pytest.mark.parametrize(("name", "command"), all_commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_flag_and_command_has_help(name: str, command: click.Command) -> None:
    """A flag without a word is a flag nobody can use."""
    silent = [
        parameter.name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden and not parameter.help
    ]

    assert (name, silent) == (name, [])
    assert command.help


def test_every_command_is_listed_as_what_it_is_called() -> None:
    """In one line of --help each, and with second names that lead to one of them."""
    assert [(name, command.name) for name, command in commands_of(cli.cli) if name != command.name] == []
    assert [name for name, (_, line) in COMMANDS.items() if len(line) > 62 or not line.endswith(".")] == []
    assert set(ALIASES.values()) <= set(COMMANDS)


def test_every_answer_has_a_shape() -> None:
    """Whoever reads --output json can look it up: docs/json.md is made of them."""

    def names(group: click.Group, before: str = "") -> Iterator[str]:
        for name, command in commands_of(group):
            if isinstance(command, click.Group):
                yield from names(command, f"{before}{name} ")
            else:
                yield f"{before}{name}"

    assert set(names(cli.cli)) - set(SHAPES) == {"schema"}  # its answer is a JSON Schema


def test_what_was_probably_meant_is_named(kubeon: Run) -> None:
    """Of commands that are not loaded yet, too."""
    ran = kubeon("lst")

    assert (ran.code, "Did you mean 'list'?" in ran.err) == (2, True)


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["nonsense"]])
def test_what_needs_no_command_imports_none(words: list[str]) -> None:
    """All of them take most of a second, and what a shell completes is asked for with each key."""
    script = "import sys\nfrom kubeon.cli import run\nrun(sys.argv[1:])\nprint(*sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)

    found = set(done.stdout.splitlines()[-1].split())
    assert found & {"click", "pydantic", "cryptography", "fabric", "httpx", "jinja2"} == {"click"}


@pytest.mark.parametrize(("name", "command"), all_commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_flag_takes_a_password(name: str, command: click.Command) -> None:
    """Process lists and shell histories are read by others: a password comes by prompt, file or environment."""
    flags = [parameter for parameter in command.params if "password" in (parameter.name or "")]

    assert [flag for flag in flags if not (getattr(flag, "is_flag", False) or isinstance(flag.type, click.Path))] == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KubeonError("no"), 1),
        (UsageError("no"), 2),
        (SpecError([("name", "no")]), 3),
        (PreflightError("no"), 4),
        (HostError("no", host="w1"), 5),
        (HostErrors({"w1": HostError("no")}, done=2), 5),
        (StateError("no"), 6),
        (BundleError("no"), 7),
        (Interrupted("no"), 130),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("no"), 70),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_exit_codes(fake: Operations, kubeon: Run, error: BaseException, code: int) -> None:
    """Every kind of error has its own, as a program and in JSON."""
    fake.fail = error

    ran = kubeon(*CREATE, "--yes")
    as_json = kubeon(*CREATE, "--yes", "--output", "json")

    assert (ran.code, as_json.code) == (code, code)
    assert ran.out == ""
    assert "Error: " in ran.err
    assert json.loads(as_json.out)["error"]["exitCode"] == code


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("create", "--nonsense"),
        (*CREATE, "--parallel", "0"),
        ("create",),
        ("create", "demo"),
        ("create", "demo", "-m", "10.0.0.1"),
        (*CREATE, "-w", "10.0.0.2:ssh"),
        (*CREATE, "--set", "nonsense"),
        (*CREATE, "--key", "/no/such/key"),
        (*CREATE, "--kubeconfig", "x", "--no-kubeconfig"),
        (*CREATE, "--ask-password", "--password-file", "x"),
        (*CREATE, "--ask-password"),
        (*CREATE, "--password-file", "/no/such/file"),
        CREATE,  # nobody can answer the question
        ("destroy",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_is_2(kubeon: Run, words: tuple[str, ...]) -> None:
    """Also in JSON, where standard output stays one object."""
    ran = kubeon(*words)
    as_json = kubeon(*words, "--output", "json")

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1].startswith("Hint: ")
    assert json.loads(as_json.out)["error"]["exitCode"] == 2


def test_a_bad_description_is_3(fake: Operations, kubeon: Run) -> None:
    """All problems at once, plug-in names too, and nothing is called."""
    ran = kubeon("create", "Demo", "1.34", "-m", "10.0.0.1,x", "--network", "brige", "--lb-mode", "haproxi")

    assert ran.code == 3
    for text in ("name:", "version:", "nodes.1.address:", "did you mean bridge?", "loadBalancer.mode:"):
        assert text in ran.err
    assert fake.calls == []


def test_flags_fill_the_mapping(fake: Operations, kubeon: Run, tmp_path: Path) -> None:
    """Every flag lands where cluster.yaml has it."""
    key = tmp_path / "id"
    key.write_text("")

    ran = kubeon(
        *CREATE, "--master", "cp2=10.0.0.2", "-w", "w1=admin@10.0.0.3:2222,10.0.0.4", "--user", "ops", "--port", "2200",
        "--key", str(key), "--jump", "j@10.0.0.9", "--strict-host-keys", "--network", "none",
        "--schedulable-control-planes",
        "--pod-subnet", "10.1.0.0/16", "--service-subnet", "10.2.0.0/16", "--lb-mode", "external",
        "--lb-address", "10.0.0.100:6443", "--san", "a.example.org", "--san", "10.0.0.100",
        "--mirror", "https://m.example.org", "--registry", "r.example.org:5000", "--set", "nodes.3.labels.disk=ssd",
        "--parallel", "7", "--uploads", "3", "--ignore-preflight-errors", "Mem, NumCPU", "--yes",
    )  # fmt: skip

    spec, options = fake.last["spec"], fake.last["options"]
    assert ran.code == 0
    assert spec == build_spec(
        {
            "name": "demo",
            "version": "v1.34.2",
            "nodes": [
                {"address": "10.0.0.1", "role": "control-plane"},
                {"address": "10.0.0.2", "role": "control-plane", "name": "cp2"},
                {"address": "10.0.0.3", "role": "worker", "name": "w1", "ssh": {"user": "admin", "port": 2222}},
                {"address": "10.0.0.4", "role": "worker", "labels": {"disk": "ssd"}},
            ],
            "ssh": {"user": "ops", "port": 2200, "key": str(key), "jump": "j@10.0.0.9", "strictHostKeys": True},
            "networking": {"plugin": "none", "podSubnet": "10.1.0.0/16", "serviceSubnet": "10.2.0.0/16"},
            "loadBalancer": {"mode": "external", "address": "10.0.0.100:6443"},
            "certificates": {"sans": ["a.example.org", "10.0.0.100"]},
            "sources": {"mirror": "https://m.example.org", "registry": "r.example.org:5000"},
            "schedulableControlPlanes": True,
        }
    )
    assert (options.parallel, options.uploads) == (7, 3)
    assert options.ignore_preflight_errors == frozenset({"Mem", "NumCPU"})
    assert options.kubeconfig == tmp_path / ".kube" / "config"


FILE = """
name: demo
version: v1.34.2
nodes:
  - {address: 10.0.0.1, role: control-plane}
networking: {podSubnet: 10.1.0.0/16}
"""


def a_file(tmp_path: Path, text: str = FILE) -> str:
    """cluster.yaml."""
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_is_enough(fake: Operations, kubeon: Run, tmp_path: Path) -> None:
    """Name and version come from it; flags go on top."""
    ran = kubeon("create", "-f", a_file(tmp_path), "--service-subnet", "10.2.0.0/16", "--yes")

    assert ran.code == 0
    assert fake.last["spec"].name == "demo"
    assert str(fake.last["spec"].networking.pod_subnet) == "10.1.0.0/16"
    assert str(fake.last["spec"].networking.service_subnet) == "10.2.0.0/16"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("create", "other", "-f"), "two names"),
        (("create", "demo", "-m", "10.0.0.2", "-f"), "nodes are given twice"),
    ],
)
def test_file_and_flags_may_not_contradict(kubeon: Run, tmp_path: Path, words: tuple[str, ...], problem: str) -> None:
    """What is meant cannot be guessed."""
    ran = kubeon(*words, a_file(tmp_path))

    assert ran.code == 2
    assert problem in ran.err


def test_a_password_in_the_file_is_refused(kubeon: Run, tmp_path: Path) -> None:
    """Without repeating it."""
    ran = kubeon("create", "-f", a_file(tmp_path, FILE + "ssh: {password: hunter22}\n"))

    assert ran.code == 3
    assert "hunter22" not in ran.err
    assert "KUBEON_SSH_PASSWORD" in ran.err


def test_a_known_cluster_needs_its_name_only(fake: Operations, kubeon: Run, tmp_path: Path) -> None:
    """Again is continue: also when the first create never ended."""
    node = {"address": "10.0.0.1", "role": Role.CONTROL_PLANE.value}
    spec = build_spec({"name": "demo", "version": "v1.34.2", "nodes": [node], "networking": {"plugin": "none"}})
    Home(tmp_path / "k").cluster("demo").write_proposed(spec)

    ran = kubeon("create", "demo", "--yes")

    assert ran.code == 0
    assert fake.last["spec"] == spec


def test_passwords_come_from_file_or_environment(
    fake: Operations, kubeon: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file wins over the environment; neither shows anywhere."""
    monkeypatch.setenv("KUBEON_SSH_PASSWORD", "from-env")
    monkeypatch.setenv("KUBEON_SUDO_PASSWORD", "sudo-env")
    (tmp_path / "pw").write_text("from-file\nignored\n")

    ran = kubeon(*CREATE, "--password-file", str(tmp_path / "pw"), "--yes")

    secrets = fake.last["options"].secrets
    assert (secrets.ssh_password, secrets.sudo_password) == ("from-file", "sudo-env")
    assert "from-file" not in ran.out + ran.err + repr(secrets)


def test_a_password_comes_from_a_descriptor(fake: Operations, kubeon: Run) -> None:
    """`--password-file /dev/fd/3 3< <(pass show root)` leaves nothing on disk."""
    reader, writer = os.pipe()
    os.write(writer, b"hunter22\n")
    os.close(writer)

    kubeon(*CREATE, "--password-file", f"/dev/fd/{reader}", "--yes")
    os.close(reader)

    assert fake.last["options"].secrets.ssh_password == "hunter22"


@pytest.mark.parametrize(
    ("words", "environment", "expected"),
    [
        ((), "", "~/.kube/config"),
        ((), "/a/config:/b/config", "/a/config"),
        (("--kubeconfig", "/c/config"), "/a/config", "/c/config"),
        (("--no-kubeconfig",), "", None),
    ],
)
@pytest.mark.usefixtures("fake")
def test_the_kubeconfig_is_kubectls(
    kubeon: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], environment: str, expected: str | None
) -> None:
    """The file that kubectl would write to, unless told otherwise."""
    monkeypatch.setenv("KUBECONFIG", environment)

    found = json.loads(kubeon(*CREATE, *words, "--yes", "--output", "json").out)["kubeconfig"]

    assert found == (expected and str(Path(expected).expanduser()))


def test_create_shows_the_cluster(kubeon: Run) -> None:
    """The plan to standard error, the cluster and the next commands to standard output."""
    ran = kubeon(*CREATE, "--yes")

    assert "install packages" in ran.err
    assert_golden(ran.out, "cli/created.txt")


def test_create_again_says_that_nothing_changed(fake: Operations, kubeon: Run) -> None:
    """And asks nothing, for there is nothing to agree to."""
    fake.changed, fake.plan = False, Plan("create cluster demo", (), {"cp1": ()})

    ran = kubeon(*CREATE)

    assert ran.code == 0
    assert "nothing was changed" in ran.out


def test_create_as_json(kubeon: Run) -> None:
    """One object with a stable shape."""
    found = json.loads(kubeon(*CREATE, "--yes", "--output", "json").out)

    assert found["nodes"] == [
        {"name": "cp1", "address": "10.0.0.1", "role": "control-plane", "version": "v1.34.2", "ready": True}
    ]
    assert sorted(found) == ["changed", "cluster", "kubeconfig", "log", "nodes", "seconds"]


@pytest.mark.parametrize("command", [CREATE, ("destroy", "demo")])
def test_a_dry_run_shows_the_plan_and_ends(fake: Operations, kubeon: Run, command: tuple[str, ...]) -> None:
    """The plan is the answer: standard output, text or JSON."""
    began: list[Any] = []
    fake.when_begun = began.append

    ran = kubeon(*command, "--dry-run")
    as_json = kubeon(*command, "--dry-run", "--output", "json")

    assert (ran.code, as_json.code, began) == (0, 0, [])
    assert "install packages" in ran.out
    assert json.loads(as_json.out)["plan"]["hosts"] == {"cp1": ["install packages"]}
    assert fake.last["options"].dry_run is True


def test_a_no_changes_nothing(fake: Operations, kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with an error, so that a script does not go on."""
    monkeypatch.setattr("kubeon.console.Console.ask", lambda *_, **__: False)
    began: list[Any] = []
    fake.when_begun = began.append

    ran = kubeon(*CREATE)

    assert (ran.code, began) == (1, [])
    assert "not confirmed; nothing was changed" in ran.err


def test_destroy_wants_the_name_typed(fake: Operations, kubeon: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A y is too quickly typed for what cannot be undone."""
    words: list[str] = []

    def ask_word(_: object, question: str, word: str, *, yes: bool = False) -> bool:
        words.append(word)
        return bool(question) or yes

    monkeypatch.setattr("kubeon.console.Console.ask_word", ask_word)

    ran = kubeon("destroy", "demo", "--remove-packages")

    assert (ran.code, words) == (0, ["demo"])
    assert fake.last["options"].remove_packages is True
    assert_golden(ran.out, "cli/destroyed.txt")


@pytest.mark.parametrize(("severity", "code"), [(Severity.WARNING, 0), (Severity.ERROR, 4)])
def test_preflight(fake: Operations, kubeon: Run, severity: Severity, code: int) -> None:
    """Findings are the answer; errors make it 4, warnings do not."""
    fake.findings = [a_finding(severity)]

    ran = kubeon("preflight", *CREATE[1:])
    as_json = kubeon("preflight", *CREATE[1:], "--output", "json")

    assert (ran.code, as_json.code) == (code, code)
    assert "swap is on" in ran.out
    assert json.loads(as_json.out)["findings"][0]["severity"] == severity.value


def test_schema(kubeon: Run) -> None:
    """JSON in any case."""
    assert json.loads(kubeon("schema").out) == json.loads(kubeon("--output", "json", "schema").out)


def test_version(kubeon: Run) -> None:
    """As other programs do."""
    assert kubeon("--version").out.startswith("kubeon ")


def test_a_failure_names_the_log_and_the_command_to_repeat(fake: Operations, kubeon: Run) -> None:
    """What next is to type the same again."""

    def begin(call: dict[str, Any]) -> None:
        from datetime import UTC, datetime  # noqa: PLC0415

        call["home"].cluster("demo").new_log("create", datetime(2026, 1, 31, tzinfo=UTC))

    fake.when_begun, fake.fail = begin, HostError("no", host="w1")

    ran = kubeon(*CREATE, "-y")

    assert "Next: kubeon create demo v1.34.2 -m 10.0.0.1 -y\n" in ran.err
    assert "Log:  " in ran.err
    assert "20260131T000000Z-create.log" in ran.err


def test_a_bug_keeps_its_traceback(fake: Operations, kubeon: Run) -> None:
    """In the log when there is one, on the screen otherwise; and it is called a bug."""
    fake.fail = ZeroDivisionError("by zero")

    ran = kubeon(*CREATE, "-y")

    assert ran.code == 70
    assert "Traceback (most recent call last)" in ran.err
    assert "this is a bug in kubeon" in ran.err
    assert "Next:" not in ran.err


def test_the_first_ctrl_c_asks_and_the_second_insists(fake: Operations, kubeon: Run) -> None:
    """Both say what happens; the handlers are put back."""
    before = signal.getsignal(signal.SIGINT)
    seen: list[tuple[bool, bool]] = []

    def press(call: dict[str, Any]) -> None:
        reporter = call["reporter"]
        reporter.begin("Creating demo", {"cp1": ["Install packages"]})
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
            seen.append((call["interrupt"].requested, call["interrupt"].now))
        reporter.event(Event("cp1", "install-packages", "Install packages", Status.OK))
        reporter.end()

    fake.when_begun, fake.fail = press, Interrupted("interrupted")

    ran = kubeon(*CREATE, "-y")

    assert seen == [(True, False), (True, True)]
    assert ran.code == 130
    assert "press Ctrl-C again to stop at once" in ran.err
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_anything_is_changed_ends_at_once(fake: Operations, kubeon: Run) -> None:
    """While hosts are looked at there is nothing to finish."""

    def press(plan: Plan) -> bool:
        raise AssertionError(plan)

    class Pressing(Plan):
        @property
        def changes(self) -> bool:
            signal.raise_signal(signal.SIGINT)
            return press(self)

    fake.plan = Pressing("create", (), {})

    assert kubeon(*CREATE).code == 130


def test_main_exits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the code of `run`, from the words of the process."""
    monkeypatch.setattr(sys, "argv", ["kubeon", "nonsense"])

    with pytest.raises(SystemExit) as caught:
        cli.main()

    assert caught.value.code == 2
