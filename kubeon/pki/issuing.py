"""Which certificates of a node have to be made anew, why, and the files that result."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509

from kubeon.errors import OperationError, StateError
from kubeon.pki import keys, kubeconfigs
from kubeon.pki.authorities import Authorities, Authority, Pair, general_name
from kubeon.pki.inspect import describe, signer
from kubeon.pki.kubeconfigs import Kubeconfig
from kubeon.pki.leaves import (
    FILES,
    KUBELET_CLIENT_LINK,
    KUBELET_CLIENT_PEM,
    KUBELET_CONF,
    Leaf,
    LeafRequest,
    control_plane_leaves,
    kubelet_client_leaf,
    kubelet_serving_leaf,
    shared_api_names,
)
from kubeon.pki.names import collision

RENEW_BEFORE = timedelta(days=30)
ALL_POWERFUL = "system:masters"


@dataclass(frozen=True)
class Issued:
    """Files to be written (absolute path: content, all of them secret but .crt), and why (path: reason)."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    reasons: dict[str, str] = field(default_factory=dict)

    def __or__(self, other: "Issued") -> "Issued":
        return Issued(self.files | other.files, self.reasons | other.reasons)


def control_plane_files(
    authorities: Authorities,
    request: LeafRequest,
    now: datetime,
    existing: Mapping[str, bytes],
    renew: Iterable[str] = (),
) -> Issued:
    """The certificates and kubeconfigs of a control plane that are missing or unfit among the `existing` files.

    `existing` holds what the host has, by absolute path (see `paths`). `renew` names paths to be made anew though
    they are fit. The CAs' own files are not among the result. Raises StateError when a CA has expired.
    """
    return _issue(authorities, control_plane_leaves(request), request, now, existing, renew=renew)


def kubelet_serving(
    authorities: Authorities,
    request: LeafRequest,
    now: datetime,
    existing: Mapping[str, bytes],
    renew: Iterable[str] = (),
) -> Issued:
    """/var/lib/kubelet/pki/kubelet.crt and .key, signed by the cluster's CA, when they are missing or unfit.

    What the kubelet has signed by itself is unfit, so this has to be there before the kubelet first starts, or the
    kubelet has to be restarted after. Raises OperationError for a worker whose name or address is one of the API's: the
    CA is that of the API, too. A control plane is the API.
    """
    taken = () if request.control_plane else shared_api_names(request)
    if problem := collision(request.node_name, request.address, taken, dns_domain=request.dns_domain):
        raise OperationError(
            f"node {request.node_name} at {request.address} gets no certificate",
            why=f"it would be good for {problem}",
            hint=f"give it another name: node-1={request.address} on the command line, nodes[].name in cluster.yaml",
        )
    return _issue(authorities, (kubelet_serving_leaf(request),), request, now, existing, renew=renew)


def kubelet_client(
    authorities: Authorities,
    request: LeafRequest,
    now: datetime,
    existing: Mapping[str, bytes],
    renew: Iterable[str] = (),
) -> Issued:
    """kubelet.conf and the PEM file its certificate is in, when missing or unfit.

    The caller makes KUBELET_CLIENT_LINK a symbolic link to KUBELET_CLIENT_PEM when the latter is among the files.
    A kubelet that finds both uses them and requests no certificate; with the certificate inside kubelet.conf it
    would request another one at once (getCurrentCertificateOrBootstrap in certificate_manager.go).
    """
    leaf = kubelet_client_leaf(request)
    check = _Check(authorities.ca, leaf, request.validity, now)
    pem = existing.get(KUBELET_CLIENT_LINK, b"")
    issued = Issued()
    reason = "asked for" if KUBELET_CLIENT_LINK in renew else check.pair(pem, pem)
    if reason:
        pair = check.new()
        issued = Issued({KUBELET_CLIENT_PEM: pair.certificate + pair.key}, {KUBELET_CLIENT_PEM: reason})
    text = existing.get(leaf.path, b"")
    reason = check.link(text)
    if reason:
        kubeconfig = Kubeconfig(
            user=leaf.subject.common_name,  # `kubeadm init` looks for the user of this name (phase kubelet-finalize)
            server=check.server(text),
            authority=authorities.ca.bundle,
            certificate_path=KUBELET_CLIENT_LINK,
        )
        issued |= Issued({leaf.path: kubeconfigs.render(kubeconfig)}, {leaf.path: reason})
    return issued


def expiring(
    authorities: Authorities, now: datetime, existing: Mapping[str, bytes], within: timedelta
) -> dict[str, str]:
    """Paths of those among the `existing` files that expire `within` that time, and when; see `renew`.

    Not those that live as long as their CA: new ones would not live longer.
    """
    found = {}
    for path in FILES.values():
        with contextlib.suppress(StateError):  # what is damaged is unfit anyway
            info = describe(existing.get(path, b""), path)
            label = signer(existing[path], authorities, path)
            end = authorities.named(label).certificate.not_valid_after_utc if label else info.not_after
            if info.not_after - now < within and info.not_after < end:
                found[path] = f"{'expired' if info.not_after <= now else 'expires'} on {info.not_after:%Y-%m-%d}"
    return found


def name_of(path: str) -> str:
    """What kubeadm calls the certificate or kubeconfig that this file belongs to."""
    if path in (KUBELET_CLIENT_PEM, KUBELET_CONF):
        return "kubelet-client"
    return {known: name for name, known in FILES.items()}.get(path, path)


def paths(request: LeafRequest, *, control_plane: bool) -> tuple[str, ...]:
    """The files to be read from a host for `existing`."""
    leaves = (*(control_plane_leaves(request) if control_plane else ()), kubelet_serving_leaf(request))
    result: list[str] = []
    for leaf in leaves:
        result += [leaf.path] if leaf.server else [f"{leaf.path}.crt", f"{leaf.path}.key"]
    return (*result, kubelet_client_leaf(request).path, KUBELET_CLIENT_LINK)


def _issue(
    authorities: Authorities,
    leaves: Iterable[Leaf],
    request: LeafRequest,
    now: datetime,
    existing: Mapping[str, bytes],
    *,
    renew: Iterable[str],
) -> Issued:
    issued = Issued()
    wanted = set(renew)
    for leaf in leaves:
        check = _Check(getattr(authorities, leaf.authority), leaf, request.validity, now)
        path, key_path = (leaf.path, "") if leaf.server else (f"{leaf.path}.crt", f"{leaf.path}.key")
        text = existing.get(path, b"")
        if path in wanted:
            reason = "asked for"
        else:
            reason = check.kubeconfig(text) if leaf.server else check.pair(text, existing.get(key_path, b""))
        if not reason:
            continue
        pair = check.new(text)
        if leaf.server:
            content = Kubeconfig(
                leaf.subject.common_name, leaf.server, authorities.ca.bundle, pair.certificate, pair.key
            )
            files = {path: kubeconfigs.render(content)}
        else:
            files = {path: pair.certificate, key_path: pair.key}
        issued |= Issued(files, {path: reason})
    return issued


@dataclass(frozen=True)
class _Check:
    """Compares what is there with one leaf; every answer is the reason to make a new one, or empty."""

    authority: Authority
    leaf: Leaf
    validity: timedelta
    now: datetime

    def new(self, old: bytes = b"") -> Pair:
        """One that did with fewer rights gets no more."""
        leaf, subject = self.leaf, self.leaf.subject
        if leaf.any_group:
            with contextlib.suppress(StateError):
                info = describe(old)
                if info.common_name == subject.common_name and not info.organizations:
                    subject = replace(subject, organizations=())
        return self.authority.issue(subject, leaf.usages, leaf.names, validity=self.validity, now=self.now)

    def server(self, old: bytes) -> str:
        """Where this kubeconfig leads to, if that is fit."""
        with contextlib.suppress(StateError):
            found = kubeconfigs.parse(old).server
            if found in self.leaf.more_servers:
                return found
        return self.leaf.server

    def pair(self, certificate_pem: bytes, key_pem: bytes) -> str:
        if not certificate_pem or not key_pem:
            return "missing"
        try:
            certificate = keys.load_certificate(certificate_pem, "certificate")
            key = keys.load_key(key_pem, "key")
        except StateError as error:
            return f"damaged: {error.what}"
        if not keys.belong_together(certificate, key):
            return "certificate and key do not belong together"
        if not self.authority.signed(certificate):
            return "not signed by this cluster's CA"
        return self._period(certificate) or self._subject(certificate) or self._content(certificate)

    def kubeconfig(self, text: bytes) -> str:
        if not text:
            return "missing"
        try:
            kubeconfig = kubeconfigs.parse(text, "it")
        except StateError as error:
            return f"damaged: {error.what}"
        return self._cluster(kubeconfig) or self.pair(kubeconfig.certificate, kubeconfig.key)

    def link(self, text: bytes) -> str:
        if not text:
            return "missing"
        try:
            kubeconfig = kubeconfigs.parse(text, "it")
        except StateError as error:
            return f"damaged: {error.what}"
        if kubeconfig.certificate_path != KUBELET_CLIENT_LINK:
            return f"does not point to {KUBELET_CLIENT_LINK}"
        return self._cluster(kubeconfig)

    def _cluster(self, kubeconfig: Kubeconfig) -> str:
        if kubeconfig.authority.strip() != self.authority.bundle.strip():
            return "trusts another CA"
        if kubeconfig.server not in (self.leaf.server, *self.leaf.more_servers):
            return f"server is {kubeconfig.server}, not {self.leaf.server}"
        return ""

    def _period(self, certificate: x509.Certificate) -> str:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if end <= self.now:
            return f"expired on {end:%Y-%m-%d}"
        if begin > self.now:
            return f"not valid before {begin:%Y-%m-%d}"
        if end >= self.authority.certificate.not_valid_after_utc:
            return ""  # a new one would not live longer
        if end - self.now < min(RENEW_BEFORE, self.validity / 3):
            return f"expires on {end:%Y-%m-%d}"
        if end - begin < self.validity and end < self.authority.last_day(self.validity, self.now):
            return f"made for {(end - begin).days} days instead of {self.validity.days}"
        return ""

    def _subject(self, certificate: x509.Certificate) -> str:
        common_names = _attributes(certificate, x509.NameOID.COMMON_NAME)
        if common_names != {self.leaf.subject.common_name}:
            return f"made for {', '.join(sorted(common_names))}, not {self.leaf.subject.common_name}"
        if self.leaf.any_group:
            return ""
        have = _attributes(certificate, x509.NameOID.ORGANIZATION_NAME)
        # From 1.29 on kubeadm prefers lesser groups, but a certificate of before works as well and, in a cluster that
        # is being upgraded, is what works until kubeadm has given the new group its rights.
        missing = set(self.leaf.subject.organizations) - have if ALL_POWERFUL not in have else set()
        return f"lacks the group {', '.join(sorted(missing))}" if missing else ""

    def _content(self, certificate: x509.Certificate) -> str:
        usages: set[object] = set()
        names: set[object] = set()
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.ExtendedKeyUsage):
                usages = set(extension.value)
            elif isinstance(extension.value, x509.SubjectAlternativeName):
                names = set(extension.value)
        if not usages.issuperset(self.leaf.usages):
            return "lacks a usage"
        missing = [name for name in self.leaf.names if general_name(name) not in names]
        return f"lacks the names {', '.join(missing)}" if missing else ""


def _attributes(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> set[str]:
    return {str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(oid)}
