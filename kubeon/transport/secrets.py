"""Passwords on their way to a host: never in a log, an error or a process list."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Secrets:
    """What the user typed or handed over; never stored. `repr` shows nothing of it."""

    ssh_password: str | None = field(default=None, repr=False)
    sudo_password: str | None = field(default=None, repr=False)

    def hide(self, text: str) -> str:
        """The text with the passwords blanked out, for logs; very short ones would blank out half the language."""
        for secret in (self.ssh_password, self.sudo_password):
            if secret and len(secret) >= 4:
                text = text.replace(secret, "***")
        return text
