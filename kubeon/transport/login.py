"""Logging in by SSH: where to and how, trying again what sshd drops, and connections that notice that they are dead."""

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fabric
import paramiko

from kubeon.transport.host_keys import HostKeys
from kubeon.transport.known_hosts import known_hosts
from kubeon.transport.secrets import Secrets
from kubeon.waiting import SYSTEM_CLOCK

SSH_PORT = 22  # known_hosts names others beside the host
KEEPALIVE = 10  # seconds between two signs of life on an idle connection
DEAD_AFTER = 30  # seconds without any answer of the network after which a connection is lost
# sshd drops connections at random while more than ten are logging in (MaxStartups 10:30:100), and with a jump host they
# all do so there. A dropped one is tried again after these seconds.
AGAIN_AFTER = (0.5, 1.0, 2.0)
DROPPED_WITHIN = 3.0  # seconds; what takes longer is no drop
# Paramiko's threads log the traceback of whatever goes wrong, a login that we cut included; without a handler it is
# printed.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class NotWantedError(Exception):
    """Closed while logging in."""


@dataclass(frozen=True)
class Target:
    """Where and how to log in. `own_key` is the cluster's own key, `keys` what the user named."""

    address: str
    known_hosts: Path
    user: str | None = None
    port: int | None = None
    own_key: Path | None = None
    key: Path | None = None
    jump: str | None = None
    strict_host_keys: bool = False
    connect_timeout: float = 10.0  # seconds
    secrets: Secrets = field(default_factory=Secrets)
    name: str = ""  # what errors call it


def connection_to(
    target: Target, connect_kwargs: dict[str, object], gateway: fabric.Connection | None
) -> fabric.Connection:
    """A connection that is not open yet; what fabric and paramiko need besides is in `connect_kwargs`."""
    # A Config of its own for each connection: one shared by 300 threads failed in its attribute look-up.
    connection = fabric.Connection(
        target.address,
        user=target.user,
        port=target.port,
        gateway=gateway,
        connect_timeout=max(1, round(target.connect_timeout)),
        connect_kwargs={**connect_kwargs, "transport_factory": _fast_transport},
        config=fabric.Config(overrides={"user": "root"}),
    )
    name = connection.host if connection.port == SSH_PORT else f"[{connection.host}]:{connection.port}"
    for key in known_hosts(target.known_hosts).keys_of(name):
        connection.client.get_host_keys().add(name, key.get_name(), key)
    connection.client.set_missing_host_key_policy(HostKeys(target.known_hosts, strict=target.strict_host_keys))
    return connection


def log_in(connection: fabric.Connection, wanted: Callable[[], bool]) -> None:
    """Log in; again where sshd dropped the connection, as it does when too many come at once. What fails is closed."""
    try:
        _knock(connection, wanted)
        _keep_alive(connection)
    except BaseException as error:
        close(connection)
        if isinstance(error, Exception) and not wanted():  # paramiko stumbles in many ways then
            raise NotWantedError from error
        raise
    if not wanted():
        close(connection)
        raise NotWantedError


def _knock(connection: fabric.Connection, wanted: Callable[[], bool]) -> None:
    for pause in (*AGAIN_AFTER, None):
        if not wanted():
            raise NotWantedError
        began = SYSTEM_CLOCK.monotonic()
        try:
            connection.open()
        except (EOFError, ConnectionResetError, paramiko.SSHException) as error:
            dropped = not isinstance(error, paramiko.SSHException) or "banner" in str(error)
            if pause is None or not dropped or SYSTEM_CLOCK.monotonic() - began > DROPPED_WITHIN:
                raise
            SYSTEM_CLOCK.sleep(pause)
        else:
            return


def _fast_transport(sock: socket.socket, **arguments: Any) -> paramiko.Transport:
    """AES-GCM first: it needs no MAC besides, so one machine sends half as much again to its hosts."""
    transport = paramiko.Transport(sock, **arguments)
    options = transport.get_security_options()
    options.ciphers = sorted(options.ciphers, key=lambda cipher: "gcm" not in cipher)
    return transport


def close(connection: fabric.Connection) -> None:
    """Close without waiting for a dead peer, the jump host's connection too."""
    connection.client.close()
    if isinstance(connection.gateway, fabric.Connection):
        connection.gateway.client.close()


def _keep_alive(connection: fabric.Connection) -> None:
    connection.transport.set_keepalive(KEEPALIVE)
    # A cut cable is noticed by the kernel: no acknowledgement within that time ends the connection (tcp(7), Linux).
    if isinstance(connection.transport.sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER * 1000)


def reason_of(error: BaseException) -> str:
    """Why a connection failed, in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(str(cause) for cause in error.errors.values())
    return str(error) or type(error).__name__
