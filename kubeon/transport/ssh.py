"""SSH by fabric: logging in, host keys, and running scripts. Fabric's and paramiko's exceptions end here.

Three defaults of fabric are not used: it accepts any host key, it reads standard input character by character, and
its exceptions print whole command lines.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import fabric
import paramiko

from kubeon.errors import ClosedError, ConnectError, LoginError, LostError
from kubeon.transport.base import Ended, Result
from kubeon.transport.following import AfterMark, Following
from kubeon.transport.host_keys import UnknownHostKeyError, fingerprint
from kubeon.transport.login import (
    DEAD_AFTER,
    NotWantedError,
    Target,
    close,
    connection_to,
    log_in,
    reason_of,
)
from kubeon.transport.running import Lines, receive, send
from kubeon.transport.script import pack
from kubeon.transport.secrets import Secrets
from kubeon.waiting import SYSTEM_CLOCK

LOGINS = 8  # at once, at one jump host
_JUMPS: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(LOGINS))
_CLOSED = "the connection was closed"


class SSH:
    """A connection to one machine; opened at the first use, opened again if it was lost in between."""

    def __init__(self, target: Target, *, root: bool = True) -> None:
        """With `root` off scripts run as whoever logs in."""
        self.target, self._root = target, root
        self.used_password = False
        self._connection: fabric.Connection | None = None
        self._logging_in: fabric.Connection | None = None  # for whoever cuts it meanwhile
        self._closed = False  # for good: what is cut on purpose must not log in again
        self._opening = threading.Lock()  # lanes that use one control plane's kubectl share its connection
        self._replacing = threading.Lock()
        self._refusal: ConnectError | None = None  # of the last login
        self._sudo = False
        self._sudo_password: str | None = None

    def open(self) -> None:
        """Log in and become able to act as root. Raises ConnectError that says why it cannot be."""
        self._drop(self._connection)
        passwords = [None] if self.target.secrets.ssh_password is None else [None, self.target.secrets.ssh_password]
        for password in passwords:
            try:
                connection = self._login(password)
            except paramiko.AuthenticationException as error:
                if password is passwords[-1]:
                    raise self._refused(password is not None) from error
            else:
                self.used_password = password is not None
                break
        try:
            if self._root:
                self._become_root(connection)
        except BaseException:
            self._drop(connection)
            raise
        with self._replacing:
            self._connection, self._logging_in = connection, None
        if self._closed:  # meanwhile
            self._drop(connection)

    def run(
        self,
        script: str,
        *,
        stdin: Iterable[bytes] = (),
        timeout: float,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """See transport.base.Transport."""
        connection = self._ensure_open()
        parcel = pack(script, sudo=self._sudo, sudo_password=self._sudo_password)
        lines = Lines(parcel.mark, on_line) if on_line else None
        result = self._execute(connection, parcel.command, chain((parcel.payload,), stdin), timeout, lines)
        output = parcel.output(result.stdout)
        if output is None and not result.exit_code:  # nothing is no answer
            raise self._something_else(result.stdout)
        return Result(output or "", result.stderr, result.exit_code)

    def follow(
        self,
        script: str,
        *,
        on_output: Callable[[bytes, bool], None],
        stdin: Iterable[bytes] = (),
        lifeline: bool = False,
        own: bool = False,
        timeout: float | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Ended:
        """See transport.base.Followed."""
        connection = self._ensure_open()
        parcel = pack(script, sudo=self._sudo, sudo_password=self._sudo_password, own=own)
        with self._channel(connection) as channel:
            channel.exec_command(parcel.command)
            following = Following(channel, timeout, stop)
            following.send((parcel.payload,))
            following.send(stdin)
            return following.receive(AfterMark(parcel.mark, on_output, both=own), lifeline=lifeline)

    def close(self) -> None:
        """See transport.base.Transport. Safe from any thread; what runs is cut, and there is no login after that."""
        self._closed = True
        self._drop(self._connection)
        self._drop(self._logging_in)

    # -- logging in ----------------------------------------------------------------------------------------------

    def _login(self, password: str | None) -> fabric.Connection:
        """A connection; it is `_logging_in` until it is of use."""
        target = self.target
        keys = [str(key) for key in (target.own_key, target.key) if key is not None and key.exists()]
        connection = connection_to(
            target,
            connect_kwargs={
                "key_filename": keys,
                "password": password,
                "look_for_keys": password is None,
                "allow_agent": password is None,
                "banner_timeout": target.connect_timeout * 3,
                "auth_timeout": target.connect_timeout * 3,
                "channel_timeout": target.connect_timeout,  # at a jump host; paramiko's own is an hour
            },
            gateway=self._gateway(),
        )
        self._logging_in = connection
        if self._closed:
            raise self._failed(_CLOSED, kind=ClosedError)
        try:
            log_in(connection, wanted=lambda: not self._closed)
        except paramiko.BadHostKeyException as error:
            raise self._failed(
                "its host key has changed",
                kind=LoginError,
                why=f"expected {fingerprint(error.expected_key)}, got {fingerprint(error.key)}",
                hint=f"if the machine was installed anew, remove its line from {target.known_hosts}; "
                "if not, somebody may be in between",
            ) from error
        except paramiko.AuthenticationException:
            raise
        except UnknownHostKeyError as error:
            raise self._failed(
                "its host key is not known",
                kind=LoginError,
                why=str(error),
                hint=f"add it to {target.known_hosts}, or leave out --strict-host-keys",
            ) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            if "No authentication methods available" in str(error):
                raise paramiko.AuthenticationException(str(error)) from error
            raise self._failed("cannot be reached by SSH", why=reason_of(error), hint=self._where()) from error
        except NotWantedError as error:
            raise self._failed(_CLOSED, kind=ClosedError) from error
        return connection

    def _gateway(self) -> fabric.Connection | None:
        """The jump host's connection, one for each connection through it: sharing one has races (fabric #2262)."""
        if not self.target.jump:
            return None
        user, _, rest = self.target.jump.rpartition("@")
        address, _, port = rest.partition(":")
        jump = Target(
            address=address,
            user=user or None,
            port=int(port) if port else None,
            known_hosts=self.target.known_hosts,
            own_key=self.target.own_key,
            key=self.target.key,
            strict_host_keys=self.target.strict_host_keys,
            connect_timeout=self.target.connect_timeout,
            secrets=Secrets(ssh_password=self.target.secrets.ssh_password),
        )
        gateway = SSH(jump)
        for password in (None, jump.secrets.ssh_password):
            try:
                with _JUMPS[self.target.jump]:
                    if self._closed:
                        raise self._failed(_CLOSED, kind=ClosedError)
                    return gateway._login(password)
            except paramiko.AuthenticationException:
                continue
        raise gateway._refused(jump.secrets.ssh_password is not None)

    def _become_root(self, connection: fabric.Connection) -> None:
        """Find out how to be root: as root, by sudo without a password, or by sudo with one."""
        probe = self._execute(connection, "sh -c 'id -u; sudo -n true 2>/dev/null && echo sudo'", (), 30)
        words = probe.stdout.split()
        if not any(word.isdecimal() for word in words):
            raise self._something_else(probe.stdout)
        if "0" in words or "sudo" in words:
            self._sudo, self._sudo_password = "0" not in words, None
            return
        # the login password also where the cluster's own key has taken its place: it is the same account
        password = self.target.secrets.sudo_password or self.target.secrets.ssh_password
        if password is None:
            raise self._failed(
                f"{self._user()} is not root and sudo asks for a password",
                kind=LoginError,
                hint="give it: --ask-sudo-password, --sudo-password-file or KUBEON_SUDO_PASSWORD",
            )
        check = self._execute(connection, "sudo -k -S -p '' true", [password.encode() + b"\n"], 30)
        if check.exit_code:
            raise self._failed(
                f"{self._user()} cannot become root by sudo",
                kind=LoginError,
                why=(check.stderr.strip().splitlines() or ["sudo said nothing"])[-1],
                hint="check the sudo password and that the user may use sudo",
            )
        self._sudo, self._sudo_password = True, password

    # -- running -------------------------------------------------------------------------------------------------

    def _execute(
        self,
        connection: fabric.Connection,
        command: str,
        stdin: Iterable[bytes],
        timeout: float,
        lines: "Lines | None" = None,
    ) -> Result:
        deadline = SYSTEM_CLOCK.monotonic() + timeout
        with self._channel(connection, timeout) as channel:
            channel.exec_command(command)
            send(channel, stdin)
            return receive(channel, deadline, lines)

    def _ensure_open(self) -> fabric.Connection:
        """Whoever has waited for a login that was refused does not try another one."""
        before = self._refusal
        with self._opening:
            connection = self._connection
            if connection is not None and connection.is_connected:
                return connection
            if self._refusal is not before and self._refusal is not None:
                error = self._refusal
                raise type(error)(error.what, why=error.why, hint=error.hint, host=error.host)
            try:
                self.open()
            except ConnectError as error:
                self._refusal = error
                raise
            self._refusal, connection = None, self._connection
            if connection is None:
                raise self._failed(_CLOSED, kind=ClosedError)
            return connection

    @contextmanager
    def _channel(self, connection: fabric.Connection, timeout: float = DEAD_AFTER) -> Iterator[paramiko.Channel]:
        """A session; paramiko's errors end here. `timeout` is what an error says."""
        try:
            channel = connection.transport.open_session(timeout=DEAD_AFTER)
            try:
                yield channel
            finally:
                channel.close()
        except TimeoutError as error:
            self._drop(connection)
            raise self._failed(f"no answer within {timeout:.0f} s", hint=self._where()) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._drop(connection)
            if self._closed:
                raise self._failed(_CLOSED, kind=ClosedError) from error
            raise self._failed(
                "the connection was lost", why=reason_of(error), hint=self._where(), kind=LostError
            ) from error

    def _drop(self, connection: fabric.Connection | None) -> None:
        """Close this one; another lane may have opened a new one since."""
        with self._replacing:
            if self._connection is connection:
                self._connection = None
            if self._logging_in is connection:
                self._logging_in = None
        if connection is not None:
            close(connection)

    # -- words ---------------------------------------------------------------------------------------------------

    def _user(self) -> str:
        connection = self._connection or self._logging_in
        return connection.user if connection else (self.target.user or "root")

    def _where(self) -> str:
        return f"try: ssh -p {self.target.port or 22} {self.target.user or 'root'}@{self.target.address}"

    def _failed(
        self, what: str, *, why: str = "", hint: str = "", kind: type[ConnectError] = ConnectError
    ) -> ConnectError:
        return kind(what, why=why, hint=hint, host=self.target.name or self.target.address)

    def _something_else(self, said: str) -> ConnectError:
        """A forced command, as images of clouds have it for root, or a start-up file that ends the shell."""
        user = self._user()
        hint = (
            f"look at ~/.bashrc of {user} there, and at command= in its ~/.ssh/authorized_keys; or give another --user"
        )
        what = f"{user} logs in by SSH, but no command is run"
        return self._failed(what, why=said[-200:].strip(), hint=hint, kind=LoginError)

    def _refused(self, password_tried: bool) -> ConnectError:
        tried = "keys and the password" if password_tried else "keys"
        hint = "give a key with --key, or a password with --ask-password, --password-file or KUBEON_SSH_PASSWORD"
        user = self.target.user or "root"
        return self._failed(f"the login as {user} was refused", why=f"tried {tried}", hint=hint, kind=LoginError)
