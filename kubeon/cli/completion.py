"""kubeon completion, and what completes: clusters and selectors out of ~/.kubeon, without asking any host."""

from collections.abc import Iterator
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from kubeon.cli.app import App, common_options, pass_app
from kubeon.errors import KubeonError
from kubeon.spec.model import ClusterSpec
from kubeon.spec.selectors import ROLES
from kubeon.state.home import Home

VARIABLE = "_KUBEON_COMPLETE"  # click's name for a program that is called kubeon
# bash ends words at @, and NAME@SELECTOR is one word
_BASH = "COMP_WORDBREAKS=${COMP_WORDBREAKS//@/}\n"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@common_options
@pass_app
def completion(app: App, /, shell: str) -> None:
    """Print the script that makes a shell complete kubeon's commands, flags, clusters and selectors.

    \b
    source <(kubeon completion bash)                       # in ~/.bashrc
    source <(kubeon completion zsh)                        # in ~/.zshrc
    kubeon completion fish > ~/.config/fish/completions/kubeon.fish
    """
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - click knows the shells among the choices
    script = found(click.Group(), {}, "kubeon", VARIABLE)
    text = script.source_template % script.source_vars()
    text = _BASH + text if shell == "bash" else text
    app.console.data({"shell": shell, "script": text}, text)


class ClusterName(click.types.StringParamType):
    """The name of a cluster."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Those on record."""
        del ctx, param
        return [CompletionItem(name) for name in _clusters() if name.startswith(incomplete)]


class Selector(click.types.StringParamType):
    """Nodes: @w*, NAME@w1; after a cluster's name on the command line, nodes of that one."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Roles and nodes; without an @ the clusters, unless one is named already."""
        del param
        named, at, _ = incomplete.partition("@")
        given = ctx.params.get("name")
        if not at and not given:
            return [CompletionItem(f"{name}@") for name in _clusters() if name.startswith(incomplete)]
        cluster = named or (given if isinstance(given, str) else "") or _current()
        found = (f"{named}@{term}" for term in _terms(cluster))
        return [CompletionItem(text) for text in found if text.startswith(incomplete)]


CLUSTER, SELECTOR = ClusterName(), Selector()
_TYPES = {"name": CLUSTER, "selectors": SELECTOR, "selector": SELECTOR, "target": SELECTOR, "targets": SELECTOR}


def complete_arguments(command: click.Command) -> None:
    """Make the arguments of a command, and of those below it, complete by what they are called."""
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and parameter.type is click.STRING and parameter.name in _TYPES:
            parameter.type = _TYPES[parameter.name]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            complete_arguments(inner)


def _terms(cluster: str) -> Iterator[str]:
    spec = _spec(cluster)
    if spec is not None:
        yield from ROLES
        yield from (node.name for node in spec.nodes if node.name)


def _clusters() -> list[str]:
    return _quietly(lambda: Home.find().clusters()) or []


def _current() -> str:
    return _quietly(lambda: Home.find().current) or ""


def _spec(cluster: str) -> ClusterSpec | None:
    found: ClusterSpec | None = _quietly(lambda: Home.find().known(cluster))
    return found


def _quietly(ask: Any) -> Any:
    """A record that is damaged completes nothing, and is no reason to write on a command line."""
    try:
        return ask()
    except KubeonError:
        return None
