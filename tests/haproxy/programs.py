"""A real haproxy for tests: the machine's own, or Debian's as the lab's stand-in has it; and API servers."""

import datetime
import gzip
import shutil
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubeon.bundle.kubeadm import machine_architecture
from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.lb.haproxy import IMAGE
from tests.lab.mirror.debian_base import base_image
from tests.lab.mirror.official import STAND_INS

# of the machine's own C library, lest its loader meets another one
_OF_LIBC = ("ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libresolv.so", "libnss_")


def haproxy_folder(folder: Path) -> Path | str:
    """A folder for PATH with `haproxy` in it, or why there is none."""
    if found := shutil.which("haproxy", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"):
        return Path(found).parent
    try:
        made = base_image(STAND_INS[IMAGE], machine_architecture(), Store(folder / "store"), "localhost/base:1")
    except BundleError as error:
        return str(error)
    root, programs = folder / "root", folder / "bin"
    with (
        gzip.open(made.blobs[-1].path) as plain,
        tarfile.open(fileobj=plain, mode="r:") as layer,
    ):
        layer.extractall(root, filter="tar")
    (libraries,) = (root / "usr/lib").glob("*-linux-gnu*")
    for library in libraries.iterdir():
        if library.name.startswith(_OF_LIBC):
            library.unlink()
    programs.mkdir()
    program = programs / "haproxy"
    program.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {root}/usr/sbin/haproxy "$@"\n')
    program.chmod(0o755)
    works = subprocess.run([program, "-v"], capture_output=True, check=False).returncode == 0
    return programs if works else "Debian's haproxy does not run on this machine"


def certificate(folder: Path) -> Path:
    """A self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "api.pem"
    path.write_bytes(pem)
    return path


class ApiServer(ThreadingHTTPServer):
    """Answers everything with its own port, over TLS; /readyz with `ready`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pem: Path, ready: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ready = ready
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = int(self.server_address[1])
        self.name = f"127.0.0.1:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nobody wants to read of it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True  # an answer is not to wait for the receipt of the handshake

    def do_GET(self) -> None:
        assert isinstance(self.server, ApiServer)
        body = str(self.server.port).encode()
        self.send_response(self.server.ready if self.path == "/readyz" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def api_servers(pem: Path, count: int) -> Iterator[list[ApiServer]]:
    """Some of them, each in a thread of its own."""
    servers = [ApiServer(pem) for _ in range(count)]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield servers
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
