"""The only importer of jinja2: a template beside a module and plain values give text."""

from collections.abc import Mapping
from functools import cache
from importlib import resources

import jinja2


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        undefined=jinja2.StrictUndefined,  # a missing value is an error, not an empty string
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, TOML and shell, not HTML
    )


def render(package: str, template: str, values: Mapping[str, object]) -> str:
    """Fill the template file that lies in a package (`render("kubeon.cni", "bridge.conflist.j2", {...})`).

    Raises jinja2.UndefinedError when the template names a value that is not given.
    """
    return _template(package, template).render(values)


@cache  # compiling takes ten milliseconds, and each of hundreds of hosts asks for the same few
def _template(package: str, name: str) -> jinja2.Template:
    return _environment().from_string(resources.files(package).joinpath(name).read_text(encoding="utf-8"))
