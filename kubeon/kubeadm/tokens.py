"""Join tokens."""

import re
import secrets

TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_token() -> str:
    """A new join token, as `kubeadm token generate` makes them: a public id and a secret."""
    return f"{_random(6)}.{_random(16)}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
