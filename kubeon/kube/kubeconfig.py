"""The user's kubeconfig: a cluster's entries are merged into it and taken out again; nothing else of it changes.

The text is edited as a tree of YAML nodes, not as values: numbers, dates and quotes of the user's own entries stay
as they were written. Only comments do not survive a change (nor do they survive `kubectl config set-context`).
"""

import base64
import binascii
from dataclasses import dataclass

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from kubeon import quick_yaml
from kubeon.errors import StateError

MARK = "kubeon"  # name of the extension that marks an entry as made by kubeon
_MAP, _SEQ, _STR, _NULL = (f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "null"))
_EMPTY = "apiVersion: v1\nkind: Config\npreferences: {}\nclusters: []\ncontexts: []\nusers: []\n"


@dataclass(frozen=True)
class _Admin:
    authority: str  # base64 of PEM, as in the file
    certificate: str
    key: str


def merge(user_text: str | None, cluster_name: str, admin_text: str, server: str, *, switch: bool = False) -> str:
    """The user's kubeconfig with cluster NAME, user NAME-admin and context NAME in it, credentials from admin.conf.

    `server` is https://host:port as reached from the control machine. The current context becomes NAME when there was
    none, or with `switch`. When nothing changes, the user's text is returned as it is. A namespace set in the context
    and other fields that kubeon does not know stay.

    Raises StateError when either text is not a kubeconfig, and when an entry of such a name exists that kubeon has not
    made and that does not belong to this cluster (it trusts another CA).
    """
    admin = _read_admin(admin_text)
    root = _compose(user_text if user_text and user_text.strip() else _EMPTY, "the kubeconfig")
    before = _text(root)
    user_name = f"{cluster_name}-admin"
    _refuse_foreign(root, cluster_name, user_name, admin)

    cluster = _content(root, "clusters", cluster_name)
    _set(cluster, "server", server)
    _set(cluster, "certificate-authority-data", admin.authority)
    _drop(cluster, "certificate-authority", "insecure-skip-tls-verify")
    user = _content(root, "users", user_name)
    _set(user, "client-certificate-data", admin.certificate)
    _set(user, "client-key-data", admin.key)
    _drop(user, "client-certificate", "client-key", "token", "tokenFile", "username", "password", "exec")
    context = _content(root, "contexts", cluster_name)
    _set(context, "cluster", cluster_name)
    _set(context, "user", user_name)
    for entry in (cluster, user, context):
        _mark(entry)
    if switch or not _scalar(root, "current-context"):
        _set(root, "current-context", cluster_name)
    return _unless_same(user_text, before, root)


def check(user_text: str, cluster_name: str, authority_pem: str) -> None:
    """Raise StateError for what `merge` would refuse later; `authority_pem` is the CA that the cluster has, or will."""
    if user_text.strip():
        authority = base64.b64encode(authority_pem.encode()).decode()
        root = _compose(user_text, "the kubeconfig")
        _refuse_foreign(root, cluster_name, f"{cluster_name}-admin", _Admin(authority, "", ""))


def has(user_text: str, cluster_name: str) -> bool:
    """Does this kubeconfig have an entry that kubeon made for the cluster?"""
    root = _compose(user_text, "the kubeconfig") if user_text.strip() else None
    return root is not None and _is_marked(_find(root, "clusters", cluster_name))


def remove(user_text: str, cluster_name: str) -> str:
    """The user's kubeconfig without the entries that kubeon made for a cluster; others of the same name stay.

    A current context that is removed becomes empty. Raises StateError when the text is not a kubeconfig.
    """
    if not user_text.strip():
        return user_text
    root = _compose(user_text, "the kubeconfig")
    before = _text(root)
    had_context = _is_marked(_find(root, "contexts", cluster_name))
    names = {"clusters": cluster_name, "users": f"{cluster_name}-admin", "contexts": cluster_name}
    for kind, name in names.items():
        if _is_marked(_find(root, kind, name)):
            entries = _entries(root, kind)
            entries.value = [entry for entry in entries.value if _scalar(entry, "name") != name]
    if had_context and _scalar(root, "current-context") == cluster_name:
        _set(root, "current-context", "")
    return _unless_same(user_text, before, root)


def rename(user_text: str, old: str, new: str) -> str:
    """The user's kubeconfig with the entries that kubeon made for a cluster under another name.

    Contexts of the user's own that lead to them follow. Raises StateError when an entry of the new name is there.
    """
    if not user_text.strip():
        return user_text
    root = _compose(user_text, "the kubeconfig")
    before = _text(root)
    names = {"clusters": (old, new), "users": (f"{old}-admin", f"{new}-admin"), "contexts": (old, new)}
    moved = {kind: pair for kind, pair in names.items() if _is_marked(_find(root, kind, pair[0]))}
    if there := [f"{_inner(kind)} {to!r}" for kind, (_, to) in moved.items() if _find_entry(root, kind, to)]:
        hint = "remove it (`kubectl config delete-context ...`), or choose another name"
        raise StateError(f"the kubeconfig has another {' and '.join(there)} already", hint=hint)
    had_context = "contexts" in moved and _scalar(root, "current-context") == old
    for kind, (name, to) in moved.items():
        entry = _find_entry(root, kind, name)
        if entry is not None:
            _set(entry, "name", to)
    for entry in _entries(root, "contexts").value if moved else ():
        context = _child(entry, "context")
        for kind in ("clusters", "users"):
            if isinstance(context, MappingNode) and kind in moved and _scalar(context, _inner(kind)) == moved[kind][0]:
                _set(context, _inner(kind), moved[kind][1])
    if had_context:
        _set(root, "current-context", new)
    return _unless_same(user_text, before, root)


def _refuse_foreign(root: MappingNode, cluster_name: str, user_name: str, admin: _Admin) -> None:
    cluster = _find(root, "clusters", cluster_name)
    authority = _scalar(cluster, "certificate-authority-data") if cluster else ""
    known = _is_marked(cluster) or (cluster is not None and _decoded(authority) == _decoded(admin.authority))
    found = {
        f"cluster {cluster_name!r}": cluster,
        f"user {user_name!r}": _find(root, "users", user_name),
        f"context {cluster_name!r}": _find(root, "contexts", cluster_name),
    }
    foreign = [what for what, entry in found.items() if entry is not None and not _is_marked(entry) and not known]
    if foreign:
        raise StateError(
            f"the kubeconfig has another {' and '.join(foreign)} already, which kubeon has not made",
            hint=f"rename it (`kubectl config rename-context {cluster_name} ...`) or remove it, "
            "or give the cluster another name",
        )


def _read_admin(text: str) -> _Admin:
    root = _compose(text, "admin.conf")
    clusters, users = _entries(root, "clusters").value, _entries(root, "users").value
    cluster = _child(clusters[0], "cluster") if clusters else None
    user = _child(users[0], "user") if users else None
    admin = _Admin(
        authority=_scalar(cluster, "certificate-authority-data"),
        certificate=_scalar(user, "client-certificate-data"),
        key=_scalar(user, "client-key-data"),
    )
    if not (admin.authority and admin.certificate and admin.key):
        raise StateError("admin.conf holds no CA, client certificate and key")
    return admin


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data).strip()
    except binascii.Error:
        return data.encode()


# The tree.


def _compose(text: str, name: str) -> MappingNode:
    hint = "repair it or move it away; nothing was written"
    try:
        root = yaml.compose(text, Loader=quick_yaml.LOADER)
    except yaml.YAMLError as error:
        raise StateError(f"{name} is not valid YAML", why=str(error), hint=hint) from error
    if not isinstance(root, MappingNode):
        raise StateError(f"{name} is not a kubeconfig", hint=hint)
    for kind in ("clusters", "users", "contexts"):
        entries = _child(root, kind)
        if entries is None or entries.tag == _NULL:  # kubectl writes an empty list as null
            continue
        if not isinstance(entries, SequenceNode) or not all(isinstance(entry, MappingNode) for entry in entries.value):
            raise StateError(f"{name} is not a kubeconfig: {kind} is not a list of entries", hint=hint)
    return root


def _text(root: Node) -> str:
    # No folding: a wide line stays one line, as kubectl writes it.
    return yaml.serialize(root, Dumper=quick_yaml.DUMPER, width=2**31 - 1, allow_unicode=True)


def _unless_same(user_text: str | None, before: str, root: MappingNode) -> str:
    after = _text(root)
    return user_text if user_text is not None and user_text.strip() and after == before else after


def _child(node: Node | None, name: str) -> Node | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value  # type: ignore[no-any-return] # the stubs leave the node's value open
    return None


def _scalar(node: Node | None, name: str) -> str:
    child = _child(node, name)
    return str(child.value) if isinstance(child, ScalarNode) and child.tag != _NULL else ""


def _put(node: MappingNode, name: str, value: Node) -> None:
    for index, (key, _) in enumerate(node.value):
        if key.value == name:
            node.value[index] = (key, value)
            return
    node.flow_style = False  # an empty mapping is written {}; what is in it belongs on lines of its own
    node.value.append((ScalarNode(_STR, name), value))


def _set(node: MappingNode, name: str, value: str) -> None:
    child = _child(node, name)
    if not (isinstance(child, ScalarNode) and child.tag == _STR and child.value == value):
        _put(node, name, ScalarNode(_STR, value))


def _drop(node: MappingNode, *names: str) -> None:
    node.value = [(key, value) for key, value in node.value if key.value not in names]


def _entries(root: MappingNode, kind: str) -> SequenceNode:
    entries = _child(root, kind)
    if not isinstance(entries, SequenceNode):
        entries = SequenceNode(_SEQ, [], flow_style=False)
        _put(root, kind, entries)
    return entries


def _find_entry(root: MappingNode, kind: str, name: str) -> MappingNode | None:
    entries = _child(root, kind)
    candidates: list[MappingNode] = entries.value if isinstance(entries, SequenceNode) else []
    return next((entry for entry in candidates if _scalar(entry, "name") == name), None)


def _find(root: MappingNode, kind: str, name: str) -> MappingNode | None:
    """What is inside the entry of a name; None when there is no such entry."""
    entry = _find_entry(root, kind, name)
    if entry is None:
        return None
    content = _child(entry, _inner(kind))
    return content if isinstance(content, MappingNode) else MappingNode(_MAP, [])


def _content(root: MappingNode, kind: str, name: str) -> MappingNode:
    """What is inside the entry of a name, for changing; made when it is not there."""
    entry = _find_entry(root, kind, name)
    if entry is None:
        entry = MappingNode(_MAP, [], flow_style=False)
        entries = _entries(root, kind)
        entries.flow_style = False
        entries.value.append(entry)
    content = _child(entry, _inner(kind))
    if not isinstance(content, MappingNode):
        content = MappingNode(_MAP, [], flow_style=False)
        _put(entry, _inner(kind), content)
    _set(entry, "name", name)  # after the content, where kubectl writes it
    return content


def _inner(kind: str) -> str:
    return kind.removesuffix("s")  # clusters: [{cluster: ..., name: ...}]


def _is_marked(content: MappingNode | None) -> bool:
    extensions = _child(content, "extensions")
    entries = extensions.value if isinstance(extensions, SequenceNode) else ()
    return any(_scalar(entry, "name") == MARK for entry in entries)


def _mark(content: MappingNode) -> None:
    if not _is_marked(content):
        mark = yaml.compose(f"{{name: {MARK}, extension: {{managed-by: kubeon}}}}", Loader=quick_yaml.LOADER)
        _entries(content, "extensions").value.append(mark)
