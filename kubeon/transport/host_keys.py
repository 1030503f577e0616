"""Host keys: learnt on first contact, or refused in strict mode."""

import os
from pathlib import Path

import paramiko


class UnknownHostKeyError(paramiko.SSHException):
    """Strict mode, and the host's key is not in known_hosts."""


class HostKeys(paramiko.MissingHostKeyPolicy):
    """Learn a key on first contact, or refuse it in strict mode. A changed key never comes here."""

    def __init__(self, known_hosts: Path, *, strict: bool) -> None:
        self.known_hosts, self.strict = known_hosts, strict

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """See paramiko."""
        del client
        if self.strict:
            raise UnknownHostKeyError(fingerprint(key))
        line = f"{hostname} {key.get_name()} {key.get_base64()}\n".encode()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.known_hosts, flags, 0o600)
        try:
            end = os.fstat(descriptor).st_size
            if end and os.pread(descriptor, 1, end - 1) != b"\n":  # somebody's editor
                line = b"\n" + line
            os.write(descriptor, line)  # one short write in append mode: lines of parallel logins do not mix
        finally:
            os.close(descriptor)


def fingerprint(key: paramiko.PKey) -> str:
    """How people compare keys."""
    return f"{key.get_name()} {key.fingerprint}"
