"""The cluster's own login key, so that no password is needed again."""

import shlex
from collections.abc import Sequence

from kubeon.cluster.context import Cluster, Step
from kubeon.hosts.host import Host

# For the user who logged in, also when the script runs as root by sudo; getent knows homes that are not in /home.
_SCRIPT = """
set -e
user=${{SUDO_USER:-$(id -un)}}
home=$(getent passwd "$user" | cut -d: -f6)
file=$home/.ssh/authorized_keys
key={key}
if ! grep -qxF "$key" "$file" 2>/dev/null; then
    [ -d "$home/.ssh" ] || install -d -m 700 -o "$user" -g "$(id -g "$user")" "$home/.ssh"
    [ -e "$file" ] || install -m 600 -o "$user" -g "$(id -g "$user")" /dev/null "$file"
    [ -z "$(tail -c 1 "$file")" ] || echo >>"$file"
    printf '%s\\n' "$key" >>"$file"
    echo "key added to $file"
fi
"""


class AuthorizeKey(Step):
    """Add the cluster's public key where the login was by password."""

    name = "authorize-key"
    title = "Authorize the cluster's key"
    reaches_members = True  # one that was adopted, or whose key is lost, is to ask for no password again

    def concerns(self, ctx: Cluster, host: Host) -> bool:
        """Hosts that asked for a password."""
        return host.used_password

    def preview(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """One line."""
        return ("add the cluster's public key to authorized_keys",)

    def run_on(self, ctx: Cluster, host: Host) -> Sequence[str]:
        """Append it once."""
        script = _SCRIPT.format(key=shlex.quote(ctx.public_key.strip()))
        return host.change(script, what="authorize the key").splitlines()
