"""kubeadm's ClusterConfiguration in the ConfigMap kubeadm-config: what the next `kubeadm join` and `upgrade` go by.

It is an object with a version of its own. Stored is only what the kubeadm beside it has read back: one that it cannot
read ends every later join and upgrade, whoever starts it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubeon import quick_yaml
from kubeon.errors import CommandError, OperationError
from kubeon.kube.kubectl import Kubectl
from kubeon.kube.versions import release
from kubeon.spec.versions import has_validity_periods, lists_flags, validates_configuration

_WHERE = ("configmap", "kubeadm-config", "--namespace", "kube-system")
_READ_BACK = """\
file=$(mktemp) || exit
trap 'rm -f "$file"' EXIT
cat >"$file" && {kubeadm} --config "$file" >/dev/null
"""


def remember_certificates(
    api: Kubectl,
    *,
    sans: Sequence[str],
    without: Sequence[str] = (),
    periods: Mapping[str, str],
    manager: Mapping[str, str],
    cri_socket: str,
) -> tuple[str, ...]:
    """Add names of the API server's certificate, set validity periods and flags of the controller manager.

    Names `without` go, unless they are among `sans`: `kubeadm join` refuses a certificate that lacks one of those here.

    `periods` are top-level fields, and set where the object's version has them. Returns what was mended, as
    `mend_cluster_configuration` does. A cluster without that ConfigMap, which kubeadm did not make, is left so. Raises
    OperationError when kubeadm does not read what would be stored.
    """
    document = _read(api)
    if not document:
        return ()
    before, version = _same(document), _version(document)
    mended = _mend(document)
    server = document.get("apiServer") or {}
    found = server.get("certSANs") or []
    names = [name for name in found if name in sans or name not in without]
    names += [name for name in sans if name not in names]
    if names != found:
        document["apiServer"] = server | {"certSANs": names}
    if has_validity_periods(version):
        document |= periods
    section = document.get("controllerManager") or {}
    set_flags = _with_listed if lists_flags(version) else _with_mapped
    document["controllerManager"] = section | {"extraArgs": set_flags(section.get("extraArgs"), manager)}
    if _same(document) != before:
        _store(api, document, cri_socket)
    return mended


def mend_cluster_configuration(api: Kubectl, cri_socket: str) -> tuple[str, ...]:
    """Have kubeadm read again what kubeon itself has spoilt (see `_mend`); what was mended, a line each.

    Raises OperationError when kubeadm does not read it then.
    """
    document = _read(api)
    mended = _mend(document)
    if mended:
        _store(api, document, cri_socket)
    return mended


def _read(api: Kubectl) -> dict[str, Any]:
    """Empty where there is none."""
    configmap = api.get(*_WHERE) or {}
    document = quick_yaml.load(configmap.get("data", {}).get("ClusterConfiguration", ""))
    return document if isinstance(document, dict) else {}


def _store(api: Kubectl, document: Mapping[str, Any], cri_socket: str) -> None:
    text = quick_yaml.dump(document, sort_keys=False)
    kubeadm = "kubeadm config images list"  # as `kubeadm join` reads it
    if validates_configuration(release(str(document.get("kubernetesVersion", "")))):
        kubeadm = "kubeadm config validate"
    # What is a node's own, so that kubeadm does not look for it on this host, where there may be two runtimes.
    node = {
        "apiVersion": document.get("apiVersion"),
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": api.host.address},
        "nodeRegistration": {"criSocket": cri_socket},
    }
    stdin = [text.encode(), b"---\n", quick_yaml.dump(node).encode()]
    try:
        api.host.ask(_READ_BACK.format(kubeadm=kubeadm), stdin=stdin, what=kubeadm, wait=False)
    except CommandError as error:
        raise OperationError(
            "kubeadm does not read what would be stored in ConfigMap kube-system/kubeadm-config; it was left as it is",
            why=error.why,
            hint="mend it with: kubectl edit configmap kubeadm-config -n kube-system; then the same command again",
            host=error.host,
        ) from error
    patch = json.dumps({"data": {"ClusterConfiguration": text}})
    api.run("patch", *_WHERE, "--type", "merge", "--patch", patch)


def _version(document: Mapping[str, Any]) -> str:
    """Of kubeadm's API: "v1beta4"."""
    return str(document.get("apiVersion", "")).rpartition("/")[2]


def _mend(document: dict[str, Any]) -> tuple[str, ...]:
    """Flags in a mapping where the object's version has a list: `certs renew` wrote that until November 2026.

    It can go with the clusters that were looked after then.
    """
    if not lists_flags(_version(document)):
        return ()
    broken = [(name, section) for name, section in _sections(document) if isinstance(section.get("extraArgs"), dict)]
    for _, section in broken:
        section["extraArgs"] = [{"name": name, "value": value} for name, value in section["extraArgs"].items()]
    version = document.get("apiVersion")
    return tuple(f"kubeadm-config: extraArgs of {name} are a list again, as {version} has them" for name, _ in broken)


def _sections(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All that have flags."""
    local = (document.get("etcd") or {}).get("local")
    places = {name: document.get(name) for name in ("apiServer", "controllerManager", "scheduler")} | {"etcd": local}
    return ((name, section) for name, section in places.items() if section)


def _with_mapped(found: Mapping[str, str] | None, flags: Mapping[str, str]) -> dict[str, str]:
    return {**(found or {}), **flags}


def _with_listed(found: Sequence[Mapping[str, str]] | None, flags: Mapping[str, str]) -> list[dict[str, str]]:
    """A flag may be there several times; the last one counts. All stay where they are."""
    args = [dict(each) for each in found or ()]
    for name, value in flags.items():
        given = [each for each in args if each.get("name") == name]
        if given:
            given[-1]["value"] = value
        else:
            args.append({"name": name, "value": value})
    return args


def _same(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)
