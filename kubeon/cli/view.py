"""kubeon view"""

import click

from kubeon.bundle.catalogue import ARCHITECTURES
from kubeon.cli.app import App, common_options, pass_app
from kubeon.console.shapes import records as shapes
from kubeon.console.summary import columns
from kubeon.operations.view import ReleaseView, Supported, release_view, supported


@click.group()
def view() -> None:
    """Show what belongs to a Kubernetes release, and what kubeon supports. Asks nobody."""


@view.command("components")
@click.argument("version", default="")
@click.option(
    "--arch",
    type=click.Choice(ARCHITECTURES),
    default=ARCHITECTURES[0],
    show_default=True,
    help="architecture of the files",
)
@common_options
@pass_app
def components(app: App, /, version: str, arch: str) -> None:
    """Versions of everything that goes with a Kubernetes release, its images, and its files with their URLs.

    Without VERSION: of the newest release that this kubeon knows.

    \b
    kubeon view components v1.34.2
    """
    found = release_view(version, arch)
    app.console.data(_release_value(found), lambda: _release(found))


@view.command("support")
@common_options
@pass_app
def support(app: App) -> None:
    """Kubernetes releases, OS families, plug-ins, runtimes and architectures, and which of them were seen working.

    \b
    kubeon view support
    """
    found = supported()
    app.console.data({"supported": _support_value(found)}, lambda: _support(found))


def _release(view: ReleaseView) -> str:
    ends = {"containerd": f"  upstream supports it until {view.runtime_ends}"}
    rows: list[tuple[str, ...]] = [("COMPONENT", "VERSION"), ("kubeadm configuration", view.kubeadm_api)]
    rows += [(name.replace("_", "-"), text + ends.get(name, "")) for name, text in view.components.items()]
    blocks = [
        columns(rows),
        "\n".join(["Images:", *(f"    {image}" for image in view.images)]),
        "\n".join(["Images of API load balancers:", *(f"    {image}" for image in view.lb_images)]),
        "\n".join(["Files, each with its checksum:", *(f"    {file.url}" for file in view.files)]),
    ]
    if not view.known:
        newest = f" (the newest known is {view.newest_patch})" if view.newest_patch else ""
        images = "its kubeadm has the last word on images"
        unknown = "" if view.newest_patch else ". That it goes together with these components is unknown"
        blocks.append(f"{view.version} is newer than this kubeon{newest}: {images}{unknown}.")
    return "\n\n".join(blocks)


def _support(found: tuple[Supported, ...]) -> str:
    rows: list[tuple[str, ...]] = [("KIND", "NAME", "STATE", "NOTE")]
    rows += [(one.kind, one.name, one.state, one.note) for one in found]
    explained = "seen: on real hosts (--output json says what was done, when, on which commit)\ntested on files: "
    return f"{columns(rows)}\n\n{explained}configuration, certificates, tables, and operations on fakes"


def _release_value(view: ReleaseView) -> shapes.Release:
    """A release for programs."""
    return {
        "version": view.version,
        "known": view.known,
        "kubeadmApi": view.kubeadm_api,
        "components": {"cniPlugins" if name == "cni_plugins" else name: text for name, text in view.components.items()},
        "containerdSupportEnds": view.runtime_ends,
        "images": list(view.images),
        "loadBalancerImages": list(view.lb_images),
        "files": [
            {"name": file.name, "version": file.version, "url": file.url, "checksumUrl": file.checksum_url}
            for file in view.files
        ],
    }


def _support_value(found: tuple[Supported, ...]) -> list[shapes.Supported]:
    """What is supported, for programs."""
    return [
        {
            "kind": one.kind,
            "name": one.name,
            "state": one.state.value,
            "note": one.note,
            "seen": [run.model_dump(mode="json", by_alias=True) for run in one.runs],
        }
        for one in found
    ]
