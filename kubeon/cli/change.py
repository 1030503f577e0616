"""Commands that change a cluster: the plan, the question, the operation, and what it says at the end."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from kubeon.cli.app import App
from kubeon.cli.description import options_of
from kubeon.spec.model import ClusterSpec

Result = TypeVar("Result")
Answer = tuple[Mapping[str, Any], str]  # a shape of `console.shapes`, and a text for people


def change(
    app: App,
    operate: Callable[..., Result],
    cluster: ClusterSpec | str,
    flags: Mapping[str, Any],
    answer: Callable[[Result], Answer],
    *,
    hosts: int = 0,
    word: str = "",
    **more: Any,
) -> None:
    """Run an operation on a cluster, or on what it is to become; `more` is what only this operation takes.

    `hosts` is how many are looked at before anything can be shown. With `word` the user has to type it to go on.
    """
    name = cluster if isinstance(cluster, str) else cluster.name
    options = options_of(flags, app.console)
    if hosts:
        app.looking(hosts)
    with app.operation(name) as interrupts:
        confirm = app.confirmation(interrupts, yes=flags["yes"], dry_run=flags["dry_run"], word=word)
        reporter = app.console.reporter()
        result = operate(cluster, options, app.home, reporter, confirm, interrupt=app.interrupt, **more)
    if not flags["dry_run"]:
        app.console.data(*answer(result))
