"""Checks before anything is changed: read-only, all at once, errors and warnings, under kubeadm's names.

A new check is a function in one of the modules and its line in that module's CHECKS.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from kubeon.errors import KubeonError, PreflightError, UsageError
from kubeon.hosts.facts import Facts
from kubeon.kubeadm.checks import NAMES as KUBEADMS
from kubeon.kubeadm.checks import is_kubeadms
from kubeon.preflight import identity, machine, network, occupancy, whole
from kubeon.preflight.base import Check, Finding, Severity, make_subject
from kubeon.preflight.machine import UPGRADE_CHECKS
from kubeon.spec.model import ClusterSpec
from kubeon.spec.problems import closest

__all__ = [
    "CHECKS",
    "NAMES",
    "UPGRADE_CHECKS",
    "Finding",
    "Severity",
    "check_names",
    "raise_on_errors",
    "run_checks",
    "soften",
]

CHECKS = (*whole.CHECKS, *machine.CHECKS, *identity.CHECKS, *network.CHECKS, *occupancy.CHECKS)
# What operations find out about members: no check of new hosts, and may be overlooked all the same.
_OF_MEMBERS = ("EtcdVersion", "NodePressure", "NodeReady", "PodDisruptionBudget", "UnmanagedPods")
NAMES = (*dict.fromkeys(name for check in CHECKS for name in check.names), *_OF_MEMBERS)
_KNOWN = {name.lower(): name for name in NAMES}
# Two machines under one name are one to everything that comes later, and Kubernetes takes no name that it refuses.
_NEVER_IGNORED = frozenset({"Unreachable", "Hostname"})
_BY_NAME_ONLY = frozenset({"AnotherCluster"})
"""Overwriting a cluster takes the very word; "all" is not enough."""


def run_checks(
    spec: ClusterSpec,
    facts: Mapping[str, Facts],
    *,
    unreachable: Mapping[str, KubeonError] | None = None,
    material: Iterable[KubeonError] = (),
    ca_fingerprint: str = "",
    ignore: Iterable[str] = (),
    checks: Iterable[Check] = CHECKS,
) -> list[Finding]:
    """Look at everything, or at what `checks` are about; errors first, then by node in the order of the spec.

    `facts` and `unreachable` (why) are by the node's address as the spec gives it. `material` are problems with files
    and images. `ca_fingerprint` is the sha256 of this cluster's CA where the control machine knows it. `ignore` names
    checks whose errors become warnings, "all" for all. Raises UsageError for names that no check has.
    """
    subject = make_subject(spec, facts, unreachable=unreachable or {}, material=material, ca_fingerprint=ca_fingerprint)
    found = soften([finding for check in checks for finding in check.look(subject)], ignore)
    order = {"": -1} | {candidate.name: index for index, candidate in enumerate(subject.candidates)}
    return sorted(dict.fromkeys(found), key=lambda f: (f.severity is not Severity.ERROR, order.get(f.host, len(order))))


def soften(findings: Iterable[Finding], ignore: Iterable[str]) -> list[Finding]:
    """Findings with the errors of the checks that `ignore` names as warnings. Raises UsageError for unknown names."""
    ignored = _ignored(ignore)
    return [
        replace(finding, severity=Severity.WARNING) if finding.check in ignored else finding for finding in findings
    ]


def raise_on_errors(findings: Sequence[Finding]) -> None:
    """Raise PreflightError that lists all errors by host. Warnings raise nothing."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not errors:
        return
    hosts = dict.fromkeys(finding.host for finding in errors)
    lines = []
    for host in hosts:
        lines.append(f"{host or 'cluster'}:")
        for finding in errors:
            if finding.host == host:
                lines.append(f"    [{finding.check}] {finding.what}")
                lines.extend([f"        {finding.hint}"] if finding.hint else [])
    # the word that gives up another cluster is not put into anybody's mouth
    found = {finding.check for finding in errors} & set(NAMES)
    names = ",".join(sorted(found - _NEVER_IGNORED - _BY_NAME_ONLY))
    count = len(errors)
    raise PreflightError(
        f"{count} preflight check{'s' if count != 1 else ''} failed; nothing was changed",
        why="\n".join(lines),
        hint=f"what you know to be harmless: --ignore-preflight-errors {names}" if names else "",
    )


def check_names(ignore: Iterable[str]) -> frozenset[str]:
    """The names as the checks write them; kubeadm takes them in any case.

    Raises UsageError for names that no check has, neither ours nor one of kubeadm's, which is told them, too.
    """
    given = {name.strip() for name in ignore} - {""}
    unknown = sorted({name for name in given if name.lower() not in {*_KNOWN, "all"} and not is_kubeadms(name)})
    if not unknown:
        return frozenset(_KNOWN.get(name.lower(), name) for name in given)
    meant = ", ".join(dict.fromkeys(found for name in unknown if (found := closest(name, (*NAMES, *KUBEADMS)))))
    listed = ", ".join(sorted({re.sub("-[a-z]+$", "-...", name) for name in NAMES}))
    hint = f"did you mean {meant}? " if meant else ""
    raise UsageError(
        f"no preflight check is called {', '.join(unknown)}",
        hint=f"{hint}The checks are kubeadm's, and: {listed}",
    )


def _ignored(ignore: Iterable[str]) -> frozenset[str]:
    names = check_names(ignore)
    every = frozenset(NAMES) - _BY_NAME_ONLY if "all" in {name.lower() for name in names} else frozenset[str]()
    return ((names & frozenset(NAMES)) | every) - _NEVER_IGNORED
