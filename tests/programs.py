"""python -m tests.programs: the machine's programs that tests call. Installs what is missing, and says so."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
PACKAGES = {
    "busybox": "busybox",
    "curl": "curl",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "iptables": "iptables",
    "nc": "netcat-openbsd",
    "openssl": "openssl",
    "ps": "procps",
    "shellcheck": "shellcheck",
}
POLICY = Path("/usr/sbin/policy-rc.d")


def missing() -> dict[str, str]:
    """What is not there: program and the package of Debian and Ubuntu that has it."""
    return {program: package for program, package in PACKAGES.items() if not shutil.which(program, path=PATH)}


@contextmanager
def no_services() -> Iterator[None]:
    """Meanwhile nothing that is installed is started: tests want the program sshd, nobody wants an open port."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def install(packages: list[str]) -> None:
    """By apt-get, without services."""
    print("tests: apt-get install", " ".join(packages), flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": PATH}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600"]
    for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run([*apt, *words], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    if "openssh-server" in packages and Path("/run/systemd/system").exists():
        subprocess.run(["systemctl", "--quiet", "disable", "ssh.service", "ssh.socket"], check=False)


def main() -> int:
    """Install, where that can be done; tests skip what they cannot do without."""
    lacking = sorted(set(missing().values()))
    if not lacking:
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print("tests: some will be skipped; they need:", " ".join(lacking))
        return 0
    with no_services():
        install(lacking)
    return 0


if __name__ == "__main__":
    sys.exit(main())
