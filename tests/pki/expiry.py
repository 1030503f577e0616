"""Certificates that a cluster's own CAs have issued, and that have expired, or soon will."""

import base64
from collections.abc import Collection, Mapping
from datetime import timedelta

import yaml

from kubeon.pki.authorities import CLIENT, SERVER, Authorities, Pair, Subject
from kubeon.pki.inspect import describe
from kubeon.pki.leaves import FILES
from kubeon.waiting import SYSTEM_CLOCK

LIFE = timedelta(hours=24)


def aged(
    files: Mapping[str, str], authorities: Authorities, *, hours: int = -1, only: Collection[str] = ()
) -> dict[str, str]:
    """The same certificates and kubeconfigs (all, or `only` some of kubeadm's names) with so many hours left."""
    found: dict[str, str] = {}
    for name, path in FILES.items():
        if path in files and (not only or name in only):
            info = describe(files[path].encode(), path)
            authority = authorities.etcd_ca if "etcd" in name else authorities.ca
            authority = authorities.front_proxy_ca if "proxy" in name else authority
            pair = authority.issue(
                Subject(info.common_name, info.organizations),
                [CLIENT, SERVER],
                info.names,
                validity=LIFE,
                now=SYSTEM_CLOCK.now() - LIFE + timedelta(hours=hours),
            )
            found |= _files(path, files[path], pair)
    return found


def _files(path: str, text: str, pair: Pair) -> dict[str, str]:
    """In files of their own, in one file, or in a kubeconfig."""
    if path.endswith(".pem"):
        return {path: (pair.certificate + pair.key).decode()}
    if not path.endswith(".conf"):
        return {path: pair.certificate.decode(), path.removesuffix(".crt") + ".key": pair.key.decode()}
    document = yaml.safe_load(text)
    document["users"][0]["user"] = {
        "client-certificate-data": base64.b64encode(pair.certificate).decode(),
        "client-key-data": base64.b64encode(pair.key).decode(),
    }
    return {path: yaml.safe_dump(document)}
