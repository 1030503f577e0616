"""From a command's flags to values: the mapping that cluster.yaml fills too, secrets, options."""

import os
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import click

from kubeon.cli.app import App
from kubeon.cluster.options import Options
from kubeon.cni import CNIS
from kubeon.console import Console
from kubeon.cri import CRIS
from kubeon.errors import UsageError
from kubeon.lb import LBS
from kubeon.preflight import check_names
from kubeon.spec.loading import apply_sets, build_spec, dump_spec, load_file
from kubeon.spec.model import ClusterSpec, Role
from kubeon.spec.nodes import parse_nodes
from kubeon.spec.releases import same_programs
from kubeon.state.home import Home
from kubeon.transport.secrets import Secrets

# flag: its place in cluster.yaml
_FIELDS = {
    "user": ("ssh", "user"),
    "port": ("ssh", "port"),
    "jump": ("ssh", "jump"),
    "strict_host_keys": ("ssh", "strictHostKeys"),
    "network": ("networking", "plugin"),
    "pod_subnet": ("networking", "podSubnet"),
    "service_subnet": ("networking", "serviceSubnet"),
    "lb_mode": ("loadBalancer", "mode"),
    "lb_address": ("loadBalancer", "address"),
    "mirror": ("sources", "mirror"),
    "registry": ("sources", "registry"),
}


def wanted(name: str | None, version: str | None, flags: Mapping[str, Any], home: Home) -> ClusterSpec:
    """The description that flags, file and store give together. Raises SpecError with every problem at once."""
    choices: dict[str, Collection[str]] = {"networking.plugin": CNIS, "loadBalancer.mode": LBS, "runtime.name": CRIS}
    return build_spec(describe(name, version, flags, home), choices)


def describe(name: str | None, version: str | None, flags: Mapping[str, Any], home: Home) -> dict[str, Any]:
    """The wanted cluster as one mapping: the file or the stored description, then flags, then --set.

    A known cluster without a file and without nodes is meant as it is stored: the same command again continues.
    """
    nodes = _nodes(flags)
    mapping = _base(name, flags, home, with_nodes=bool(nodes))
    if nodes and mapping.get("nodes"):
        raise UsageError("nodes are given twice", why="by -m/-w and in the file", hint="keep them in one place")
    if nodes:
        mapping["nodes"] = nodes
    if name and mapping.get("name") not in (None, name):
        raise UsageError(f"two names: {name} on the command line, {mapping['name']} in the file", hint="leave one out")
    mapping |= {key: value for key, value in (("name", name), ("version", version)) if value}
    _fill_fields(mapping, flags)
    if flags.get("schedulable_control_planes"):
        mapping["schedulableControlPlanes"] = True
    _fill(mapping, "certificates", "sans", list(flags.get("san", ())) or None)
    mapping = apply_sets(mapping, flags.get("sets", ()))
    if not mapping.get("name"):
        raise UsageError("the cluster has no name", hint="kubeon create NAME VERSION -m ADDRESS, or name: in the file")
    if not mapping.get("version"):
        raise UsageError("no Kubernetes version is given", hint=f"kubeon create {mapping['name']} v1.34.2 ...")
    return mapping


def given_of(name: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    """What the flags of `adopt` say of a cluster, as cluster.yaml has it; the rest is found from the cluster itself."""
    nodes = _nodes(flags)
    if not any(node["role"] == Role.CONTROL_PLANE for node in nodes):
        raise UsageError("no control plane is named", hint=f"kubeon adopt {name} -m ADDRESS")
    mapping: dict[str, Any] = {"nodes": nodes}
    _fill_fields(mapping, flags)
    return apply_sets(mapping, flags.get("sets", ()))


def enlarged(name: str, flags: Mapping[str, Any], home: Home) -> tuple[ClusterSpec, frozenset[IPv4Address]]:
    """A known cluster with the nodes of the flags, and their addresses. Nodes that it has already may be named again.

    Raises SpecError with every problem at once.
    """
    nodes = _nodes(flags)
    if not nodes:
        raise UsageError("no nodes to add", hint=f"kubeon add {name} -w ADDRESS, or -m ADDRESS for a control plane")
    mapping = load_file(dump_spec(home.cluster(name).read_spec() or home.known(name)), name)
    had = {node["address"]: node for node in mapping["nodes"]}
    for node in nodes:
        old = had.get(node["address"])
        if old is None:
            mapping["nodes"].append(node)
        elif old["role"] != node["role"] or node.get("name") not in (None, old.get("name")):
            what = f"{old.get('name') or node['address']} is a {old['role']} already"
            raise UsageError(f"{node['address']}: {what}", hint="kubeon del removes it first")
    spec = build_spec(mapping)
    return spec, frozenset(node.address for node in spec.nodes if str(node.address) in {n["address"] for n in nodes})


def upgraded(name: str, version: str, flags: Mapping[str, Any], home: Home) -> ClusterSpec:
    """A known cluster as it shall be with a newer version. Only versions and where they come from may differ.

    What a run that was cut off was told need not be said again.

    Raises SpecError with every problem at once, UsageError for --set of anything else.
    """
    for each in flags.get("sets", ()):
        if not each.startswith(("components.", "sources.")):
            raise UsageError(f"--set {each}: an upgrade takes components.* and sources.* only")
    state = home.cluster(name)
    stored, pending = state.read_spec() or home.known(name), state.read_proposed()
    # an upgrade that goes on does so with what it was told
    if pending and pending.version == version and not same_programs(stored, pending):
        stored = pending
    mapping = load_file(dump_spec(stored), name) | {"version": version}
    for flag in ("mirror", "registry"):
        _fill(mapping, *_FIELDS[flag], flags.get(flag))
    return build_spec(apply_sets(mapping, flags.get("sets", ())))


def switched(name: str, flags: Mapping[str, Any], home: Home) -> ClusterSpec:
    """A known cluster as it shall be with another API load balancer.

    An external load balancer's address that is known, of the one in use or of one that was begun, need not be said
    again. Raises SpecError with every problem at once.
    """
    state = home.cluster(name)
    stored = state.read_spec() or home.known(name)
    mode, address = flags["mode"], flags["lb_address"]
    known = [each.load_balancer for each in (state.read_proposed(), stored) if each]
    address = address or next((each.address for each in known if each.mode == mode), None)
    mapping = load_file(dump_spec(stored), name)
    mapping["loadBalancer"] = {"mode": mode, "name": stored.load_balancer.name, "address": address}
    return build_spec(mapping, {"loadBalancer.mode": LBS})


def _nodes(flags: Mapping[str, Any]) -> list[dict[str, Any]]:
    masters = (*flags.get("control_plane", ()), *flags.get("master", ()))
    return [*parse_nodes(masters, Role.CONTROL_PLANE), *parse_nodes(flags.get("worker", ()), Role.WORKER)]


def _base(name: str | None, flags: Mapping[str, Any], home: Home, *, with_nodes: bool) -> dict[str, Any]:
    path: Path | None = flags.get("file")
    if path:
        try:
            return load_file(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {path}", why=str(error)) from error
    if with_nodes or not name:
        return {}
    state = home.cluster(name)
    spec = state.read_known()
    if spec is None:
        hint = f"kubeon create {name} v1.34.2 -m ADDRESS -w ADDRESS, or -f cluster.yaml"
        raise UsageError(f"cluster {name} is not known here and no nodes are given", hint=hint)
    return load_file(dump_spec(spec), name)


def _fill_fields(mapping: dict[str, Any], flags: Mapping[str, Any]) -> None:
    for flag, (section, field) in _FIELDS.items():
        _fill(mapping, section, field, flags.get(flag))
    if flags.get("key"):  # stored, and used from other folders later
        _fill(mapping, "ssh", "key", str(flags["key"].expanduser().absolute()))


def _fill(mapping: dict[str, Any], section: str, field: str, value: object) -> None:
    if value is None:
        return
    inside = mapping.get(section)
    if inside is None or isinstance(inside, dict):  # anything else is a mistake in the file, which the spec reports
        mapping[section] = {**(inside or {}), field: value}


def options_of(flags: Mapping[str, Any], console: Console) -> Options:
    """How the operation is to run; a command that lacks one of the flags gets its default."""
    return Options(
        dry_run=flags.get("dry_run", False),
        parallel=flags["parallel"],
        uploads=flags["uploads"],
        ignore_preflight_errors=ignored_checks(flags),
        kubeconfig=kubeconfig_path(flags),
        remove_packages=flags.get("remove_packages", False),
        drain_timeout=flags.get("drain_timeout", 300),
        max_unavailable=flags.get("max_unavailable", "1"),
        pause_after=flags.get("pause_after", ""),
        dead=flags.get("dead", False),
        words=_words(),
        on_wait=lambda text, host: console.reporter().warn(text, host=host),
        secrets=read_secrets(flags, console),  # last: it may ask
    )


def _words() -> tuple[str, ...]:
    """The command line of this run; passwords never stand on it."""
    context = click.get_current_context(silent=True)
    app = context.find_object(App) if context else None
    return ("kubeon", *app.words) if app else ()


def read_secrets(flags: Mapping[str, Any], console: Console, environment: Mapping[str, str] = os.environ) -> Secrets:
    """Passwords from prompts, files or the environment, in this order; never from the command line."""

    def read(kind: str, ask: str, file: str, variable: str) -> str | None:
        path: Path | None = flags.get(file)
        if flags.get(ask) and path:
            raise UsageError(f"the {kind} password is to be asked for and read from a file", hint="leave one out")
        if flags.get(ask):
            return console.prompt_secret(f"{kind} password")
        return _first_line(path, kind) if path else environment.get(variable) or None

    return Secrets(
        ssh_password=read("login", "ask_password", "password_file", "KUBEON_SSH_PASSWORD"),
        sudo_password=read("sudo", "ask_sudo_password", "sudo_password_file", "KUBEON_SUDO_PASSWORD"),
    )


def _first_line(path: Path, kind: str) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            secret = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        hint = "give a file that you can read, or /dev/fd/N for a descriptor"
        raise UsageError(f"cannot read the {kind} password from {path}", why=why or "", hint=hint) from None
    if not secret:
        raise UsageError(f"{path} is empty", hint=f"its first line is the {kind} password")
    return secret


def kubeconfig_path(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Path | None:
    """The user's kubeconfig as kubectl would choose it; None to leave it alone."""
    if flags.get("no_kubeconfig"):
        if flags.get("kubeconfig"):
            raise UsageError("--kubeconfig and --no-kubeconfig exclude each other", hint="leave one out")
        return None
    if flags.get("kubeconfig"):
        return Path(flags["kubeconfig"]).expanduser().absolute()
    first = next((part for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part), "")
    return Path(first).expanduser().absolute() if first else Path.home() / ".kube" / "config"


def ignored_checks(flags: Mapping[str, Any]) -> frozenset[str]:
    """--ignore-preflight-errors. Raises UsageError for names that no check has, before any host is asked anything."""
    return check_names(flags.get("ignore_preflight_errors", "").split(","))
