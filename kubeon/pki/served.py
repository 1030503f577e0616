"""Which certificate a port serves, asked with bash alone: hosts need not have openssl.

A fixed TLS 1.2 ClientHello is sent; in TLS 1.2 the server's certificate travels in clear, before anybody has proved
anything (RFC 5246, 7.4.2). An alert follows it at once, so that the server closes the connection.
"""

import struct

_HANDSHAKE, _ALERT, _CERTIFICATE, _CLIENT_HELLO = 22, 21, 11, 1
_TLS12 = b"\x03\x03"
_SUITES = (0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013, 0xC014, 0x009C, 0x002F)  # (EC)DHE first, then RSA
_GROUPS = (29, 23, 24)  # x25519, P-256, P-384
_SIGNATURES = (0x0403, 0x0503, 0x0804, 0x0805, 0x0401, 0x0501, 0x0201)  # ECDSA, RSA-PSS, RSA


def _hello() -> bytes:
    extensions = b"".join(
        struct.pack("!HH", number, len(body)) + body
        for number, body in (
            (10, _vector(_GROUPS)),
            (11, b"\x01\x00"),  # points are not compressed
            (13, _vector(_SIGNATURES)),
        )
    )
    body = (
        _TLS12
        + bytes(32)  # what makes handshakes unique; none is ever finished
        + b"\x00"  # no session to go on with
        + _vector(_SUITES)
        + b"\x01\x00"  # no compression
        + struct.pack("!H", len(extensions))
        + extensions
    )
    message = bytes([_CLIENT_HELLO]) + struct.pack("!I", len(body))[1:] + body
    return _record(_HANDSHAKE, message)


def _vector(numbers: tuple[int, ...]) -> bytes:
    return struct.pack(f"!H{len(numbers)}H", 2 * len(numbers), *numbers)


def _record(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _TLS12 + struct.pack("!H", len(content)) + content


QUESTION = _hello() + _record(_ALERT, b"\x01\x00")  # close_notify
"""What to send to the port."""


def first_certificate(answer: bytes) -> bytes:
    """The server's own certificate (DER) in what came back; empty where it did not come, as from TLS 1.3 alone."""
    messages = b""
    while len(answer) >= 5 and answer[0] == _HANDSHAKE:
        size = struct.unpack("!H", answer[3:5])[0]
        messages, answer = messages + answer[5 : 5 + size], answer[5 + size :]
    while len(messages) >= 4:
        size = int.from_bytes(messages[1:4], "big")
        body = messages[4 : 4 + size]
        if messages[0] == _CERTIFICATE and len(body) >= 6:
            length = int.from_bytes(body[3:6], "big")
            return body[6 : 6 + length] if len(body) >= 6 + length else b""
        messages = messages[4 + size :]
    return b""
