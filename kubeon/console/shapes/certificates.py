"""What `certs show` says."""

from collections.abc import Mapping, Sequence

from typing_extensions import TypedDict


class Certificate(TypedDict):
    """A certificate, or a kubeconfig with one."""

    node: str
    name: str
    file: str
    kind: str
    subject: str | None
    names: Sequence[str]
    authority: str | None
    notBefore: str | None
    notAfter: str | None
    daysLeft: int | None
    fingerprint: str | None
    served: bool | None
    problem: str | None


class CertificateProblem(TypedDict):
    """What is wrong with one of them."""

    node: str
    name: str
    file: str
    what: str


class Certificates(TypedDict):
    """`certs show`: `unreachable` has the reason by node."""

    cluster: str
    ok: bool
    warnDays: int
    certificates: Sequence[Certificate]
    problems: Sequence[CertificateProblem]
    unreachable: Mapping[str, str]
