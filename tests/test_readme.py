"""Documents against the code: a flag, a field or a task that is not written down fails here."""

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from invoke.collection import Collection

import tasks
from kubeon.cli import cli
from kubeon.cluster.deletion import Deletion
from kubeon.cluster.upgrade import Upgrade
from kubeon.cni import CNIS
from kubeon.lb import LBS
from kubeon.operations import steps
from kubeon.operations.steps import ADD, CREATE, RENEW, deletion_steps, switch_steps, upgrade_steps
from kubeon.operations.view import State, supported
from kubeon.spec.loading import json_schema
from kubeon.spec.tried import tried
from tests.commands import commands_of
from tests.conformance import table
from tests.json_page import shape_blocks
from tests.lab import cache
from tests.specs import a_spec

ROOT = Path(__file__).parent.parent
OTHERS = [
    *deletion_steps(Deletion()),
    *upgrade_steps(Upgrade()),
    *(step for each in switch_steps(a_spec()) for step in each),
]
DOCS = ROOT / "docs"
README, COMMANDS_PAGE = ROOT / "README.md", DOCS / "commands.md"
PAGES = sorted(DOCS.glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *PAGES]


def commands(group: click.Group, words: str) -> dict[str, click.Command]:
    """All commands by what is typed, groups and what is in them too."""
    found: dict[str, click.Command] = {words: group}
    for name, command in commands_of(group):
        inner = f"{words} {name}"
        found |= commands(command, inner) if isinstance(command, click.Group) else {inner: command}
    return found


COMMANDS = commands(cli, "kubeon")
# Where documents may point to; anything else would be a machine that only its author can reach.
HOSTS = re.compile(
    r"(?:[\w-]+\.)*(?:example\.(?:org|com)|k8s\.io|kubernetes\.io|github\.com|apache\.org|keepachangelog\.com)"
)
PRIVATE = re.compile(r"10\.\d+\.\d+\.\d+")


def text_of(path: Path) -> str:
    """A document."""
    return path.read_text(encoding="utf-8")


def examples(text: str) -> Iterator[str]:
    """The command lines in a document's blocks, prompts and continuations taken away."""
    for block in re.findall(r"^```(?:console|sh)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            command = line.strip().removeprefix("$ ").removeprefix("# ").split("  #")[0].strip()
            if command.startswith(("kubeon ", "./dev")):
                yield command


def flags_of(command: click.Command) -> list[str]:
    """Every spelling of every flag that --help shows."""
    return [
        spelling
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    ]


def section(text: str, command: str) -> str:
    """What is said under a command's heading (a group's for all in it), and what is said of all commands."""
    command = " ".join(command.split()[:2])
    shared = text.split("## Flags that several commands share")[1].partition("\n## ")[0]
    own = re.search(rf"^## `{command}\b.*?(?=^##)", text, re.DOTALL | re.MULTILINE)
    assert own, f"no section about {command}"
    return own[0] + shared


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "kubeon"])
def test_every_flag_is_written_down(name: str) -> None:
    """In the section of its command, or among those that several share."""
    said = section(text_of(COMMANDS_PAGE), name)

    assert [flag for flag in flags_of(COMMANDS[name]) if f"`{flag}" not in said and f", {flag}" not in said] == []


def test_no_flag_is_made_up() -> None:
    """What is written down exists."""
    known = {flag for command in COMMANDS.values() for flag in flags_of(command)} | {
        "--version",
        "--help",
        "-h",
        "--master",
    }
    # flags of other programs stand there with the program's name before them
    named = set(re.findall(r"(?<=`)(--[a-z][a-z-]+|-[a-z])\b", text_of(COMMANDS_PAGE)))

    assert sorted(named - known) == []


@pytest.mark.parametrize("command", [each for path in (README, *PAGES) for each in examples(text_of(path))])
def test_examples_can_be_typed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """click takes every kubeon line, and every ./dev line is a task."""
    monkeypatch.setattr(click.Path, "convert", lambda _self, value, _param, _ctx: Path(value))
    words = shlex.split(command.partition(" > ")[0])
    if words[0] == "./dev":
        assert not words[1:] or words[1] in known_tasks()
        return
    if words[1:] == ["--version"] or words[1] in ("--help", "-h"):
        return

    context = click.Context(cli)
    while isinstance(context.command, click.Group):
        words = words[1:]
        _, found, _ = context.command.resolve_command(context, words[:1])
        assert found, words[0]
        context = found.make_context(words[0], words[1:], parent=context)


def known_tasks() -> list[str]:
    """Names of tasks as typed."""
    namespace: Collection = tasks.namespace
    return [name for names in namespace.task_names.items() for name in (names[0], *names[1])]


def test_tasks_in_documents_exist() -> None:
    """`./dev this` in running text, too."""
    named = {task for path in DOCUMENTS for task in re.findall(r"\./dev ([a-z.]+[a-z])", text_of(path))}

    assert sorted(named - set(known_tasks())) == []


def assert_written(page: Path, name: str, table: str) -> None:
    """The page's table of that name is this one; KUBEON_GOLDEN=write writes it afresh."""
    begin, end = f"<!-- {name}: written by `./dev golden` -->", f"<!-- end of {name} -->"
    before, _, rest = text_of(page).partition(begin)
    now, _, after = rest.partition(end)
    wanted = f"\n{table}\n"

    if os.environ.get("KUBEON_GOLDEN") == "write":
        page.write_text(before + begin + wanted + end + after, encoding="utf-8")
    else:
        assert now == wanted, "run ./dev golden"


def test_every_field_is_written_down() -> None:
    """The table comes from the JSON Schema."""
    assert_written(DOCS / "cluster-yaml.md", "fields", field_table())


def test_every_answer_is_written_down() -> None:
    """A block for each shape, out of its JSON Schema."""
    assert_written(DOCS / "json.md", "json", "\n".join(shape_blocks()))


def test_what_was_seen_is_written_down() -> None:
    """As `view support` says it, and what was done, out of the record."""
    assert_written(DOCS / "support.md", "support", f"{support_table()}\n\n{run_table()}\n\n{conformance_lines()}")


def support_table() -> str:
    """Markdown: what is seen, tested on files, and unknown, by kind."""
    rows = ["| | seen | tested on files | unknown |", "| --- | --- | --- | --- |"]
    found = supported()
    for kind in dict.fromkeys(one.kind for one in found):
        own = [one for one in found if one.kind == kind]
        cells = [", ".join(one.name for one in own if one.state is state) for state in State]
        doubts = [
            f"{one.name} with {one.note.partition('unknown with ')[2]}" for one in own if "unknown with" in one.note
        ]
        cells[-1] = ", ".join(filter(None, [cells[-1], *doubts]))
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(rows)


def run_table() -> str:
    """Markdown: what was done with each release."""
    rows = ["| release | hosts | with | what was done | when, on which commit |", "| --- | --- | --- | --- | --- |"]
    for run in tried():
        parts = f"{run.runtime}, {run.network}, {run.load_balancer}"
        found = f"{run.when}, {run.commit}, {'by ' * (run.by == 'hand')}{run.by}"
        hosts = f"{run.distribution}, {run.architecture}"
        rows.append(f"| {run.release} | {hosts} | {parts} | {', '.join(run.did)} | {found} |")
    return "\n".join(rows)


def conformance_lines() -> str:
    """Markdown: what became of upstream's conformance tests, by release."""
    lines = []
    for path in sorted((ROOT / "tests/conformance").glob("v*.yaml")):
        found = table.counts(table.load(path.read_text(encoding="utf-8")))
        told = ", ".join(f"{count} {result}" for result, count in found.items())
        where = path.relative_to(ROOT)
        lines.append(
            f"Upstream's {sum(found.values())} conformance tests of {path.stem}: {told} ([each of them](../{where}))."
        )
    return "\n".join(lines)


def field_table() -> str:
    """Markdown: every field with its default and its meaning."""
    rows = ["| field | default | |", "| --- | --- | --- |"]
    schema = json_schema()
    rows += [f"| `{path}` | {default} | {text} |" for path, default, text in fields(schema, schema)]
    return "\n".join(rows).replace("<", "&lt;")


def fields(schema: dict[str, Any], node: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, default, meaning) of all fields below a place of the schema, each section with its fields after it."""
    for name, field in node.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        inner = resolved(schema, field)
        if "properties" in inner:
            yield here, "", field.get("description") or inner.get("description", "")
            yield from fields(schema, inner, here)
            continue
        required = name in node.get("required", [])
        text = field.get("description", "")
        choices = [choice for choice in inner.get("enum", []) if choice != field.get("default")]
        text += "".join(f"; or {choice}" for choice in choices if choice not in text)
        yield here, "required" if required else shown(field.get("default")), text
        items = resolved(schema, inner.get("items", {}))
        if "properties" in items:
            yield from fields(schema, items, f"{here}[]")


def resolved(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """What a $ref leads to."""
    reference = field.get("$ref") or next((each["$ref"] for each in field.get("allOf", []) if "$ref" in each), "")
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]] if reference else field
    return found


def shown(default: object) -> str:
    """A default as YAML would have it; nothing for none."""
    return "" if default in (None, [], {}) else f"`{json.dumps(default).strip(chr(34))}`"


@pytest.mark.parametrize(("page", "names"), [("networking", CNIS), ("load-balancing", LBS)])
def test_every_plugin_is_written_down(page: str, names: list[str]) -> None:
    """By its name, as one writes it: in the README, and on a page of its kind."""
    for name in names:
        assert f"`{name}`" in text_of(README)
        assert f"`{name}`" in text_of(DOCS / f"{page}.md")


@pytest.mark.parametrize(
    "phase",
    {phase.name: phase for phase in (*CREATE, *ADD, *RENEW, *OTHERS)}.values(),
    ids=lambda phase: phase.name,
)
def test_every_phase_is_written_down(phase: Any) -> None:
    """By the title that the screen shows."""
    assert any(phase.title in text_of(page) for page in PAGES)


def test_all_tables_of_phases_are_looked_at() -> None:
    """Those that are made for each run are named above."""
    made = {name for name in vars(steps) if name.endswith("_steps")}

    assert made == {"deletion_steps", "switch_steps", "upgrade_steps"}


def headings(text: str) -> set[str]:
    """What a link may lead to on a page, as GitHub makes it of headings; and marks set by hand."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles} | set(
        re.findall(r'<a id="([\w-]+)">', text)
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """To a file of this repository, and to a heading in it."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(document)):
        name, _, heading = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not heading or heading in headings(text_of(path)), target


def test_the_readme_is_short_and_leads_everywhere() -> None:
    """8 KB at most, with a link to each page."""
    assert len(text_of(README).encode()) <= 8 * 1024
    assert [page.name for page in PAGES if f"docs/{page.name}" not in text_of(README)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documents_name_no_machine_of_their_author(document: Path) -> None:
    """No folder of the machine they were written on, no host that others cannot reach."""
    text = text_of(document)
    hosts = [host for host in re.findall(r"https?://([^/\s:,)`\]]+)", text) if not HOSTS.fullmatch(host)]

    assert [host for host in hosts if not PRIVATE.fullmatch(host)] == []
    assert re.findall(r"(?:/work|/home/\w+|/root)/\S+", text) == []
    assert str(cache.root()) not in text


def skeleton(text: str) -> dict[str, list[str]]:
    """What does not change with the language: levels of headings, blocks without their remarks, links, list items."""
    blocks = re.findall(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
    return {
        "headings": re.findall(
            r"^(#+) ", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE
        ),
        "blocks": [re.sub(r" +# .*", "", block) for block in blocks],
        "links": [link for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith("README")],
        "items": re.findall(r"^(?:\d\.|-|\|)", text, re.MULTILINE),
        "words": sorted(set(re.findall(r"`[^`\n]+`", text))),
    }


def test_the_chinese_readme_says_the_same() -> None:
    """Commands, links, headings, lists, tables and all that is set as code: as in the English one."""
    assert skeleton(text_of(ROOT / "README.zh-CN.md")) == skeleton(text_of(README))
