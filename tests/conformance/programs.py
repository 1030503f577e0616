"""Upstream's test program, what its pods run, and what it says of its tests: of the release's own Go modules."""

import shutil
from pathlib import Path

from tests.lab.mirror import golang, modules
from tests.lab.mirror.rows import Row
from tests.lab.mirror.store import Log, folder, lock

E2E = f"{modules.ROOT}/test/e2e"
IN_IMAGES = (f"{modules.ROOT}/test/images/agnhost", f"{modules.ROOT}/test/images/nonewprivs", "k8s.io/sample-apiserver")
GINKGO = "github.com/onsi/ginkgo/v2/ginkgo"
"""Of the version that e2e.test is compiled with: it starts several of that and gathers what they report."""

TESTS = "test/conformance/testdata/conformance.yaml"
IMAGES = "test/utils/image/manifest.go"
CERTIFICATES = "test/images/agnhost/porter"
PICTURES = {name: f"test/images/{name}/html" for name in ("kitten", "nautilus")}
_TEXTS = (TESTS, IMAGES, f"{CERTIFICATES}/localhost.crt", f"{CERTIFICATES}/localhost.key", *PICTURES.values())


def programs(row: Row, log: Log = print) -> Path:
    """The folder with e2e.test, ginkgo, agnhost, nonewprivs and sample-apiserver of a release."""

    def make(new: Path) -> None:
        golang.check_space()
        packages = [GINKGO, *IN_IMAGES]
        what = modules.of_kubernetes(row, "conformance", packages, log, samples=["sample-apiserver"], tests=[E2E])
        golang.build(what, new, log)

    with lock(log), golang.workshop(log):
        return folder(f"conformance-{row.release}", "modules-1", make=make, log=log)


def texts(row: Row, log: Log = print) -> Path:
    """A folder with those files of the source that are read here or go into images, at their paths in it."""

    def make(new: Path) -> None:
        source = golang.source(modules.ROOT, row.release, log)
        for name in _TEXTS:
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (source / name).is_dir() else shutil.copyfile
            copy(source / name, new / name)

    with lock(log), golang.workshop(log):
        return folder(f"conformance-texts-{row.release}", *_TEXTS, "1", make=make, log=log)
