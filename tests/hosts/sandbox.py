"""A folder that stands for a host's /, and programs that remember, for running scripts in a real shell."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# systemctl with a file per unit: "enabled active"; it fails on anything that it was not told about
_SYSTEMCTL = """\
case $1 in
is-enabled) [ -e "$STATE/$2" ] || exit 1; read -r enabled _ <"$STATE/$2"; echo "$enabled"; [ "$enabled" = enabled ] ;;
is-active)
    [ "$2" = -q ] && exec >/dev/null && shift
    [ -e "$STATE/$2" ] || { echo inactive; exit 3; }
    read -r _ active <"$STATE/$2"; echo "$active"; [ "$active" = active ] ;;
enable|disable|mask|unmask)
    read -r _ active <"$STATE/$2" || exit 1
    case $1 in enable) to=enabled ;; mask) to=masked ;; *) to=disabled ;; esac
    case $1,$2 in unmask,*.swap) to=generated ;; esac
    echo "$to $active" >"$STATE/$2" ;;
start|stop)
    read -r enabled _ <"$STATE/$2" || exit 5
    case $1 in start) to=active ;; *) to=inactive ;; esac
    echo "$enabled $to" >"$STATE/$2"
    case $2 in *.swap) sed -i "\\#/$(basename "$2" .swap | tr - /) #d" "$ROOT/proc/swaps" ;; esac ;;
daemon-reload) ;;
list-units) for unit in "$STATE"/*.swap; do [ -e "$unit" ] && echo "$(basename "$unit") loaded active active"; done ;;
show) cat "$STATE/.show-$6" ;;
*) echo "systemctl $*: unexpected" >&2; exit 99 ;;
esac
"""
_PROGRAMS = {
    "systemctl": _SYSTEMCTL,
    "systemd-detect-virt": "exit 1\n",
    "hostnamectl": '[ "$1" = set-hostname ] || exit 99\nprintf "%s\\n" "$2" >"$ROOT/etc/hostname"\n',
    "uname": 'if [ "$1" = -n ]; then cat "$ROOT/etc/hostname"; else exec /bin/uname "$@"; fi\n',
    "modprobe": 'mkdir -p "$ROOT/sys/module/$1"\n',
    "getenforce": 'cat "$STATE/.enforce" 2>/dev/null\n',
    "setenforce": 'case $1 in 0) echo Permissive ;; 1) echo Enforcing ;; esac >"$STATE/.enforce"\n',
    "swapoff": 'sed -i "\\#^$1 #d" "$ROOT/proc/swaps"\n',
    "swapon": 'echo "$1 file 1 0 -2" >>"$ROOT/proc/swaps"\n',
    "ufw": (
        'case $* in disable) v=no ;; "--force enable") v=yes ;; *) exit 99 ;; esac\n'
        'echo "ENABLED=$v" >"$ROOT/etc/ufw/ufw.conf"\n'
    ),
}
_FILES = {
    "etc/hostname": "old-name\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 old-name\n",
    "proc/filesystems": "nodev\toverlay\n",
    "proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n",
    "proc/sys/net/ipv4/ip_forward": "0\n",
    "proc/sys/net/ipv4/conf/all/rp_filter": "1\n",
    "proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
    "proc/sys/net/bridge/bridge-nf-call-ip6tables": "1\n",
    "proc/sys/fs/inotify/max_user_instances": "128\n",
}


@dataclass
class Sandbox:
    """A host in a folder."""

    folder: Path
    shell: tuple[str, ...] = ("dash",)
    stdout: str = field(default="", init=False)
    stderr: str = field(default="", init=False)

    def __post_init__(self) -> None:
        for name, text in _FILES.items():
            self.write(name, text)
        for name in ("state", "bin"):
            (self.folder / name).mkdir(exist_ok=True)
        for name, text in _PROGRAMS.items():
            self.program(name, text)

    @property
    def root(self) -> str:
        """What stands for /."""
        return str(self.folder / "root")

    def write(self, name: str, text: str) -> None:
        """Put a file there, as a path without the first slash."""
        path = self.folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name: str) -> str:
        """The text of a file."""
        return (self.folder / "root" / name).read_text()

    def unit(self, name: str, state: str, *, file: str = "") -> None:
        """A systemd unit: "enabled active"; `file` is what `systemctl show` names as its source."""
        (self.folder / "state" / name).write_text(f"{state}\n")
        (self.folder / "state" / f".show-{name}").write_text(f"SourcePath={file}\n")

    def state(self, name: str) -> str:
        """The state of a unit, or of SELinux (".enforce")."""
        return (self.folder / "state" / name).read_text().strip()

    def program(self, name: str, text: str) -> None:
        """A program on PATH."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)

    def everything(self) -> dict[str, str]:
        """All files and all states."""
        roots = (self.folder / "root", self.folder / "state")
        return {str(path): path.read_text() for root in roots for path in root.rglob("*") if path.is_file()}

    def mortal(self, *programs: str) -> None:
        """Give these programs a counter: with DIE=n in the environment, everything is killed at the nth call."""
        count = 'echo >>"$STATE/../steps"\nif [ $(wc -l <"$STATE/../steps") -ge "$DIE" ]; then kill -9 0; fi\n'
        for name in programs:
            path = self.folder / "bin" / name
            body = path.read_text().removeprefix("#!/bin/sh\n") if path.exists() else f'exec /usr/bin/{name} "$@"\n'
            self.program(name, f'if [ -n "$DIE" ]; then\n{count}fi\n{body}')

    def run(self, script: str, *, exit_code: int = 0) -> str:
        """Run a script and return what it printed."""
        code = self.attempt(script)

        assert code == exit_code, self.stderr
        return self.stdout

    def attempt(self, script: str) -> int:
        """Run a script and return its exit code, negative when a signal ended it."""
        places = {"ROOT": self.root, "STATE": str(self.folder / "state")}
        done = subprocess.run(
            self.shell,
            input=script,
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,  # so that `kill 0` in a program ends this run only
            env={"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **places},
        )
        self.stdout, self.stderr = done.stdout, done.stderr
        return done.returncode
