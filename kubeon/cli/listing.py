"""kubeon list"""

import click

from kubeon.cli.app import App, common_options, pass_app
from kubeon.cli.history import moment
from kubeon.console.shapes import records as shapes
from kubeon.console.summary import columns
from kubeon.operations.listing import Known, overview


@click.command("list")
@common_options
@pass_app
def list_(app: App) -> None:
    """List the clusters that this machine knows. Asks no host: `kubeon cluster-info` does.

    \b
    kubeon list
    """
    found = overview(app.home)
    value: shapes.Clusters = {"clusters": [_value(known) for known in found]}
    app.console.data(value, lambda: _text(found))


def _value(known: Known) -> shapes.KnownCluster:
    spec, last = known.spec, known.last
    return {
        "name": known.name,
        "current": known.current,
        "state": known.state,
        "detail": known.detail,
        "version": spec.version if spec else None,
        "controlPlanes": len(spec.control_planes) if spec else None,
        "workers": len(spec.workers) if spec else None,
        "endpoint": known.endpoint or None,
        "last": {"operation": last.operation, "result": last.result, "begun": last.begun, "who": last.who}
        if last
        else None,
    }


def _text(found: list[Known]) -> str:
    if not found:
        return "no clusters are known here yet; kubeon create makes one, kubeon adopt takes one over"
    rows: list[tuple[str, ...]] = [("", "NAME", "VERSION", "NODES", "ENDPOINT", "STATE", "LAST OPERATION")]
    rows += [_row(known) for known in found]
    details = [f"{known.name}: {known.detail}" for known in found if known.detail]
    return "\n".join([columns(rows), *(["", *details] if details else [])])


def _row(known: Known) -> tuple[str, ...]:
    spec, last = known.spec, known.last
    nodes = f"{len(spec.control_planes)}+{len(spec.workers)}" if spec else "?"
    when = f"{last.operation} {moment(last.begun)} {last.result}" if last else ""
    version = spec.version if spec else "?"
    return ("*" if known.current else "", known.name, version, nodes, known.endpoint, known.state, when)
