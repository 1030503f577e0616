"""What a release's source says of its conformance tests: their names, and how the images are called."""

import re

from kubeon import quick_yaml

_REGISTRY = re.compile(r'^\s*(\w+):\s+"([^"]+)",$', re.MULTILINE)
_IMAGE = re.compile(r'configs\[(\w+)\] = Config\{list\.(\w+), "([^"]+)", "([^"]+)"\}')


def names(conformance_yaml: str) -> list[str]:
    """All conformance tests, as e2e.test calls them, sorted."""
    return sorted({entry["codename"] for entry in quick_yaml.load(conformance_yaml)})


def references(manifest_go: str) -> dict[str, str]:
    """The images that e2e.test asks for, by their names in its source ("Agnhost")."""
    registries = dict(_REGISTRY.findall(manifest_go))
    return {image: f"{registries[registry]}/{name}:{tag}" for image, registry, name, tag in _IMAGE.findall(manifest_go)}


def is_serial(name: str) -> bool:
    """Whether a test wants the cluster for itself."""
    return "[Serial]" in name or "[Disruptive]" in name
