"""Which certificate a port serves: the question and the answer, against a real TLS server."""

import ssl
from datetime import timedelta
from pathlib import Path

import pytest

from kubeon.pki.authorities import SERVER, Authorities, Subject
from kubeon.pki.inspect import from_der
from kubeon.pki.served import QUESTION, first_certificate
from tests.pki.factories import NOW


def answer_of(context: ssl.SSLContext) -> bytes:
    """What a server says to the question."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(QUESTION)
    with pytest.raises(ssl.SSLError):  # it hears the alert
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    return outgoing.read()


def a_server(authorities: Authorities, folder: Path) -> tuple[ssl.SSLContext, bytes]:
    """Its context, and its certificate, which it sends with its CA's."""
    pair = authorities.ca.issue(Subject("server"), [SERVER], ["10.0.0.1"], validity=timedelta(days=9), now=NOW)
    (folder / "chain.pem").write_bytes(pair.certificate + authorities.ca.pem)
    (folder / "key.pem").write_bytes(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return context, pair.certificate


def test_the_servers_own_certificate_is_found(authorities: Authorities, tmp_path: Path) -> None:
    """Also where it asks for the client's, as etcd does, and however much of the rest is missing."""
    context, certificate = a_server(authorities, tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authorities.ca.pem.decode())

    answer = answer_of(context)

    assert from_der(first_certificate(answer)) == certificate
    assert from_der(first_certificate(answer[:-40])) == certificate


def test_nothing_is_found_where_nothing_came(authorities: Authorities, tmp_path: Path) -> None:
    """A server that speaks only TLS 1.3, half an answer, none, or something else altogether."""
    context, _ = a_server(authorities, tmp_path)
    whole = answer_of(context)
    context.minimum_version = ssl.TLSVersion.TLSv1_3

    assert first_certificate(answer_of(context)) == b""
    assert first_certificate(whole[:200]) == b""
    assert first_certificate(b"") == b""
    assert first_certificate(b"HTTP/1.0 400 Bad Request\r\n\r\n") == b""
