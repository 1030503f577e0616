"""A folder that stands for a worker, on which systemd/apiserver-startup runs with the programs that a test gives it."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "systemd/apiserver-startup"
SHELLS = [shell for shell in (("dash",), ("bash", "--posix"), ("busybox", "sh")) if shutil.which(shell[0])]
CLUSTER_IP = "10.96.0.2"
NAME = "apiserver.cluster.local"
# Who is in `up` answers; anything that it was not told about is remembered as a mistake.
_CURL = """\
case "$*" in
"-q -sk -o /dev/null --noproxy * --max-time "[12]" https://"*:6443/readyz) ;;
*) echo "curl $*" >>"$STATE/mistakes"; exit 2 ;;
esac
address=${9#https://}
echo "${address%:*}" >>"$STATE/asked"
grep -qxF "${address%:*}" "$STATE/up"
"""
# The clock: time passes when the script sleeps, and what a test planned for the nth sleep happens.
_SLEEP = """\
echo "$1" >>"$STATE/slept"
plan=$STATE/plan-$(wc -l <"$STATE/slept")
if [ -e "$plan" ]; then . "$plan"; fi
"""
_TOOLS = ("awk", "cat", "chmod", "cp", "flock", "grep", "mv", "rm", "sed", "timeout", "wc")


@dataclass
class Worker:
    """The host, as kubeon leaves it."""

    folder: Path
    shell: tuple[str, ...] = ("dash",)
    stdout: str = field(default="", init=False)
    said: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        for name in ("state", "bin", "root/run"):
            (self.folder / name).mkdir(parents=True)
        for tool in _TOOLS:
            self.link(tool)
        self.program("curl", _CURL)
        self.program("sleep", _SLEEP)
        self.up()
        self.settings()
        self.control_planes("10.0.0.1", "10.0.0.2", "10.0.0.3")
        self.write("etc/hosts", hosts())

    def link(self, tool: str) -> None:
        """The machine's own program."""
        found = shutil.which(tool)
        assert found, f"{tool} is needed"
        (self.folder / "bin" / tool).symlink_to(found)

    def program(self, name: str, text: str) -> None:
        """A program of the test's own."""
        path = self.folder / "bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def without(self, *programs: str) -> None:
        """This host does not have them."""
        for name in programs:
            (self.folder / "bin" / name).unlink()

    def write(self, name: str, text: str) -> Path:
        """Put a file there, as a path without the first slash."""
        path = self.folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self.folder / "root" / name).read_text()

    def settings(self, *, cluster: str = "e", address: str = CLUSTER_IP, port: int = 6443) -> None:
        """What kubeon wrote down."""
        text = f"CLUSTER={cluster}\nNAME={NAME}\nCLUSTER_IP={address}\nPORT={port}\n"
        self.write("etc/kubernetes/apiserver-startup/settings", text)

    def control_planes(self, *addresses: str, port: int = 6443) -> None:
        """The list."""
        lines = "".join(f"{address}:{port}\n" for address in addresses)
        self.write("etc/kubernetes/apiserver-startup/hosts", f"# Written by kubeon: the control planes.\n{lines}")

    def up(self, *addresses: str) -> None:
        """Only these answer."""
        (self.folder / "state/up").write_text("".join(f"{address}\n" for address in addresses))

    def later(self, sleeps: int, *addresses: str, do: str = "") -> None:
        """From the nth sleep of the script on only these answer, and shell with $ROOT runs then."""
        lines = "".join(f"echo {address}\n" for address in addresses)
        (self.folder / f"state/plan-{sleeps}").write_text(f'{{ :\n{lines}}} >"$STATE/up"\n{do}\n')

    def remembered(self, name: str) -> list[str]:
        """What programs noted: `asked` (by curl), `slept`, `mistakes`."""
        path = self.folder / "state" / name
        return path.read_text().split() if path.exists() else []

    @property
    def leads_to(self) -> str:
        """The address in /etc/hosts, of a file that has one."""
        (line,) = (line for line in self.read("etc/hosts").splitlines() if NAME in line)
        return line.split()[0]

    def run(self, verb: str, *, rounds: int = 50, exit_code: int = 0) -> str:
        """Run the script and return what it printed; `said` has the lines for the journal."""
        done = subprocess.run(
            [*self.shell, SCRIPT, verb],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                "PATH": os.environ["PATH"],
                "KUBEON_STARTUP_PATH": str(self.folder / "bin"),
                "KUBEON_STARTUP_ROOT": str(self.folder / "root"),
                "KUBEON_STARTUP_ROUNDS": str(rounds),
                "ROOT": str(self.folder / "root"),
                "STATE": str(self.folder / "state"),
            },
        )
        self.stdout, self.said = done.stdout, done.stderr.splitlines()

        assert done.returncode == exit_code, done.stderr
        assert not self.remembered("mistakes")
        return self.stdout


def hosts(address: str = CLUSTER_IP, *, cluster: str = "e") -> str:
    """The text of /etc/hosts with kubeon's block."""
    block = f"# BEGIN kubeon {cluster}\n10.0.0.7 w1\n{address} {NAME}\n# END kubeon {cluster}\n"
    return f"127.0.0.1 localhost\n{block}"
