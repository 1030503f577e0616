"""What single fields of cluster.yaml may hold. Each rule's message says what to write instead."""

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from kubeon.spec.versions import Version, parse_duration

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_FLAG_NAME = re.compile(r"[a-z0-9][-a-z0-9]*")
_COMPONENT_VERSION = re.compile(r"v?\d+\.\d+\.\d+([-+][0-9A-Za-z.-]+)?")
_HOST_PORT = re.compile(r"(?P<host>[^:\s/@]+):(?P<port>\d{1,5})")
_LOGIN = re.compile(r"((?P<user>[^@\s:/]+)@)?(?P<host>[^:\s/@]+)(:(?P<port>\d{1,5}))?")
_USER = re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.\\]*\$?")
_IMAGE_PATH = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")


def _text_only(value: object) -> object:
    """pydantic reads the number 10 as the address 0.0.0.10; nobody means that."""
    if isinstance(value, str | IPv4Address | IPv4Network):
        return value
    msg = f"{value!r} is not text; write it in quotes"
    raise ValueError(msg)


def _text_value(value: object) -> object:
    """Flags and labels are text in Kubernetes, but people write `v: 3` and `debug: true`, which is unambiguous."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        msg = f"{value!r} is a number that may have lost digits (1.10 is read as 1.1); write it in quotes"
        raise ValueError(msg)
    return value


def _address(value: object) -> object:
    text = _text_only(value)
    if isinstance(text, str):
        try:
            text = IPv4Address(text.strip())
        except AddressValueError:
            six = "; IPv6 is not supported yet" if ":" in str(text) else ""
            msg = f"{text!r} is not an IPv4 address{six}"
            raise ValueError(msg) from None
    if isinstance(text, IPv4Address) and (text.is_multicast or text.is_unspecified or int(text) == 0xFFFFFFFF):
        msg = f"{text} is not the address of a host"
        raise ValueError(msg)
    return text


def _network(value: object) -> object:
    text = _text_only(value)
    if not isinstance(text, str):
        return text
    try:
        return IPv4Network(text.strip())
    except ValueError:
        pass
    if "/" in text:
        try:
            meant = IPv4Network(text.strip(), strict=False)
        except ValueError:
            pass
        else:
            msg = f"{text!r} is an address inside a network; the network is {meant}"
            raise ValueError(msg)
    msg = f"{text!r} is not an IPv4 network; write it as 10.244.0.0/16"
    raise ValueError(msg)


def _dns_label(value: str) -> str:
    if not DNS_LABEL.fullmatch(value):
        rule = "lower-case letters, digits and '-', at most 63, and begin and end with a letter or digit"
        msg = f"{value!r} must be {rule}"
        raise ValueError(msg)
    return value


def _dns_name(value: str) -> str:
    if not is_dns_name(value):
        rule = "a lower-case DNS name (labels of letters, digits and '-' joined by dots), at most 253 characters"
        msg = f"{value!r} must be {rule}"
        raise ValueError(msg)
    return value


def is_dns_name(value: str) -> bool:
    """Is this a DNS name as Kubernetes wants names of nodes and objects to be?"""
    return len(value) <= 253 and all(DNS_LABEL.fullmatch(label) for label in value.split("."))


def _is_address(value: str) -> bool:
    try:
        IPv4Address(value)
    except ValueError:
        return False
    return True


def _version(value: str) -> str:
    return str(Version.parse(value))


def _duration(value: str) -> str:
    parse_duration(value)
    return value


def _component(value: str) -> str:
    if not _COMPONENT_VERSION.fullmatch(value):
        msg = f"{value!r} is not a version; write it as 1.7.24"
        raise ValueError(msg)
    return value.removeprefix("v")


def _san(value: str) -> str:
    if _is_address(value) or is_dns_name(value.removeprefix("*.").lower()):
        return value
    msg = f"{value!r} is neither a DNS name nor an IPv4 address"
    raise ValueError(msg)


def _host_port(value: str) -> str:
    match = _HOST_PORT.fullmatch(value)
    if not match or not 1 <= int(match["port"]) <= 65535 or not is_dns_name(match["host"]):
        msg = f"{value!r} must be host:port, as in 10.0.0.100:6443"
        raise ValueError(msg)
    return value


def _login(value: str) -> str:
    match = _LOGIN.fullmatch(value)
    if not match or not 1 <= int(match["port"] or 22) <= 65535:
        msg = f"{value!r} must be [user@]host[:port], as in admin@10.0.0.1:22"
        raise ValueError(msg)
    return value


def _user(value: str) -> str:
    if not _USER.fullmatch(value):
        msg = f"{value!r} is not a login name"
        raise ValueError(msg)
    return value


def _key_path(value: str) -> str:
    if value.endswith(".pub"):
        msg = f"{value!r} is a public key; give the private one, {value.removesuffix('.pub')!r}"
        raise ValueError(msg)
    if "PRIVATE KEY" in value:
        msg = "is the key itself; give the path of the file that holds it"  # and never repeat it in an error
        raise ValueError(msg)
    if not value:
        msg = "is empty; give the path of a private key"
        raise ValueError(msg)
    return value


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits or parts.query or parts.fragment:
        msg = f"{value!r} is not a base URL; write it as https://mirror.example.org or http://10.0.0.5:8080/files"
        raise ValueError(msg)
    if parts.password is not None:
        msg = "must not hold a password"  # it would be stored
        raise ValueError(msg)
    return value.rstrip("/")


def _registry(value: str) -> str:
    bare = re.sub(r"^https?://", "", value).rstrip("/")
    host, _, path = bare.partition("/")
    name, _, port = host.partition(":")
    port_fits = ":" not in host or (port.isdigit() and 1 <= int(port) <= 65535)
    path_fits = not path or all(_IMAGE_PATH.fullmatch(part) for part in path.split("/"))
    if not (is_dns_name(name) and port_fits and path_fits):
        msg = f"{value!r} is not a registry; write it as registry.example.org:5000/prefix (http:// for plain HTTP)"
        raise ValueError(msg)
    return value.rstrip("/")


def _label_key(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if not _LABEL_NAME.fullmatch(name) or (slash and not is_dns_name(prefix)):
        msg = f"{value!r} is not a label: letters, digits, '-', '_' and '.', at most 63, after an optional example.org/"
        raise ValueError(msg)
    return value


def _label_value(value: str) -> str:
    if value and not _LABEL_NAME.fullmatch(value):
        msg = f"{value!r} is not a label's value: letters, digits, '-', '_' and '.', at most 63"
        raise ValueError(msg)
    return value


def _flag_name(value: str) -> str:
    if not _FLAG_NAME.fullmatch(value):
        msg = f"{value!r} is not the name of a flag; write it without dashes in front, as in audit-log-path"
        raise ValueError(msg)
    return value


ClusterName = Annotated[str, AfterValidator(_dns_label)]
DnsName = Annotated[str, AfterValidator(_dns_name)]
NodeName = DnsName
Address = Annotated[IPv4Address, BeforeValidator(_address)]
Network = Annotated[IPv4Network, BeforeValidator(_network)]
KubernetesVersion = Annotated[str, AfterValidator(_version)]
ComponentVersion = Annotated[str, AfterValidator(_component)]
Duration = Annotated[str, AfterValidator(_duration)]
Port = Annotated[int, Field(ge=1, le=65535)]
San = Annotated[str, AfterValidator(_san)]
HostPort = Annotated[str, AfterValidator(_host_port)]
UserName = Annotated[str, AfterValidator(_user)]
JumpHost = Annotated[str, AfterValidator(_login)]
KeyPath = Annotated[str, AfterValidator(_key_path)]
Url = Annotated[str, AfterValidator(_url)]
Registry = Annotated[str, AfterValidator(_registry)]
TextValue = Annotated[str, BeforeValidator(_text_value)]
Labels = dict[
    Annotated[str, AfterValidator(_label_key)],
    Annotated[str, BeforeValidator(_text_value), AfterValidator(_label_value)],
]
Flags = dict[Annotated[str, AfterValidator(_flag_name)], TextValue]
