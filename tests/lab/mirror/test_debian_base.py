"""Images out of files, and out of Debian packages, in place of official ones."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from kubeon.bundle.store import Store
from kubeon.errors import BundleError
from kubeon.lb.haproxy import IMAGE
from tests.lab.mirror import debian_base
from tests.lab.mirror.image_builder import Entry, layer
from tests.lab.mirror.official import STAND_INS

pytestmark = pytest.mark.slow
needs_apt = pytest.mark.skipif(bool(debian_base.lacking("amd64")), reason="apt-get of an amd64 machine")


def test_a_layer_has_nothing_of_this_machine() -> None:
    """Sorted, of root, without times, folders first."""
    entries = {"/b/c": Entry(b"x", 0o755), "a": Entry(link="b/c")}
    content = layer(entries)

    assert content == layer(dict(reversed(entries.items())))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = [(info.name, info.mode, info.uid, info.mtime, info.linkname) for info in archive]
    assert found == [("a", 0o777, 0, 0, "b/c"), ("b", 0o755, 0, 0, ""), ("b/c", 0o755, 0, 0, "")]


def test_another_architecture_cannot_be_made_here() -> None:
    """apt has packages of this machine's kind."""
    assert debian_base.lacking("s390x").endswith("not s390x")


@needs_apt
def test_debian_packages_make_the_same_image_each_time(tmp_path: Path) -> None:
    """With haproxy, a shell and the user, without what only scripts of packages need; nothing of it is installed."""
    try:
        one, two = (
            debian_base.base_image(STAND_INS[IMAGE], "amd64", Store(tmp_path / name), "localhost/base:1")
            for name in ("a", "b")
        )
    except BundleError as error:
        pytest.skip(f"Debian's archive is out of reach: {error}")

    assert one.digest == two.digest
    with gzip.open(one.blobs[-1].path) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
        names = archive.getnames()
        passwd = archive.extractfile("etc/passwd")
        assert passwd
        assert b"haproxy:x:99:99:" in passwd.read()
        assert archive.getmember("usr/bin/sh").linkname == "busybox"
        assert archive.getmember("usr/sbin/haproxy").mode == 0o755
    assert any(name.endswith("/libssl.so.3") for name in names)
    assert not [name for name in names if "perl" in name or name.startswith("usr/share")]
