"""Everything that kubeon raises on purpose. Anything else that escapes is a bug and keeps its traceback.

KubeonError          1
├── OperationError   1    the cluster did not become what it should
├── BlockedError     1    a host waited for what failed on another one
├── UsageError       2    the command line cannot be understood
├── SpecError        3    cluster.yaml or the flags describe something impossible; carries every problem at once
├── PreflightError   4    a host or the network is not fit; nothing was changed
├── HostError        5    a host cannot be reached, refuses the login, or a command on it failed
│   ├── ConnectError      unreachable, or no answer in time
│   │   ├── LoginError    it answers and does not let us in: wrong password, changed host key, no sudo
│   │   ├── LostError     the connection ended in the middle of a script, and nobody had closed it
│   │   └── ClosedError   it was closed on purpose: a second Ctrl-C
│   ├── CommandError      a command ended with a non-zero exit code
│   └── HostErrors        several hosts at once
├── StateError       6    ~/.kubeon cannot be used: locked, damaged, another cluster's
├── BundleError      7    material is missing, damaged or cannot be had
└── Interrupted    130    Ctrl-C

8 and 9 are no errors: they are what `cluster-info` says of a cluster that is degraded or down.

An error answers four questions: what failed, where (host), why (the last lines of the remote output), what to do next.
It is raised where *what* is known, gets *where* while it travels, and is printed only by `cli`.
"""

from collections.abc import Mapping, Sequence

from kubeon.printable import printable


class KubeonError(Exception):
    """What failed, in one line; `why` holds the evidence, `hint` what to type or look at next, `host` where."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "", host: str = "") -> None:
        super().__init__(what)
        self.what, self.why, self.hint = map(printable, (what, why, hint))  # hosts have a hand in them
        self.host = host

    def __str__(self) -> str:
        where = f"{self.host}: " if self.host else ""
        why = f": {self.why}" if self.why else ""
        return f"{where}{self.what}{why}"


class UsageError(KubeonError):
    """The command line cannot be understood."""

    exit_code = 2


class SpecError(KubeonError):
    """The wanted cluster cannot be; `problems` holds (path in cluster.yaml, what is wrong) of all problems found."""

    exit_code = 3

    def __init__(self, problems: Sequence[tuple[str, str]], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        what = f"{count} problem{'s' if count != 1 else ''} in the cluster's description"
        super().__init__(what, why="\n".join(f"{path}: {text}" for path, text in self.problems), hint=hint)


class OperationError(KubeonError):
    """The cluster, not a single host, did not become what it should."""


class BlockedError(KubeonError):
    """A host stopped because of what failed on another one."""


class PreflightError(KubeonError):
    """A host or the network is not fit for the cluster. Nothing was changed."""

    exit_code = 4


class HostError(KubeonError):
    """Something failed on a host."""

    exit_code = 5


class ConnectError(HostError):
    """A host cannot be reached or refuses the login."""


class LoginError(ConnectError):
    """The machine is up, and does not let kubeon in, or not as root."""


class LostError(ConnectError):
    """The connection ended while a script ran, of which nobody knows how far it came. A new one may be had."""


class ClosedError(ConnectError):
    """The connection was closed on purpose, and is not opened again: whoever waits for the host has to give up."""


class CommandError(HostError):
    """A command on a host ended with a non-zero exit code; `why` holds the last lines that it said, `said` more."""

    def __init__(
        self, what: str, *, command_exit_code: int, why: str = "", said: str = "", hint: str = "", host: str = ""
    ) -> None:
        super().__init__(what, why=why, hint=hint, host=host)
        self.command_exit_code = command_exit_code
        self.said = printable(said or why)


class HostErrors(HostError):  # noqa: N818 - the plural says it
    """Several hosts failed; the others finished what they could."""

    def __init__(self, errors: Mapping[str, KubeonError], *, done: int = 0, hint: str = "") -> None:
        self.errors = dict(errors)
        count, total = len(self.errors), len(self.errors) + done
        what = f"{count} of {total} host{'s' if total != 1 else ''} failed"
        super().__init__(what, why="\n".join(f"{host}: {_bare(error)}" for host, error in errors.items()), hint=hint)
        codes = {error.exit_code for error in errors.values() if not isinstance(error, BlockedError)}
        if len(codes) == 1:  # all hosts failed for the same kind of reason: a mirror that is down is no host's fault
            self.exit_code = codes.pop()


class StateError(KubeonError):
    """What kubeon keeps on the control machine cannot be used."""

    exit_code = 6


class BundleError(KubeonError):
    """Material (a file, an image, a package) is missing, damaged or cannot be had."""

    exit_code = 7


class Interrupted(KubeonError):  # noqa: N818 - it is not a fault
    """The user pressed Ctrl-C."""

    exit_code = 130


def _bare(error: KubeonError) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what
