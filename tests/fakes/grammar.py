"""Every script that kubeon sends, as patterns with names: what `tests.fakes.machine` understands, and nothing else.

Patterns are made of the product's own texts, so a text that changes is known at once, and one that is new is refused.
"""

import re
import string
from importlib import resources

from kubeon.bundle import install
from kubeon.cluster import apart, certificates, kubeadm, restarts, restoration, survey
from kubeon.cri import containerd
from kubeon.etcd import snapshots
from kubeon.hosts import failure, files, health, host, looking
from kubeon.hosts.marks import UPGRADED
from kubeon.kube import cluster_configuration
from kubeon.lb import external, haproxy, updater
from kubeon.operations.cluster_info import asking
from kubeon.phases import (
    authorize_key,
    clean_host,
    init_control_plane,
    join_nodes,
    leave_cluster,
    renew_certificates,
    switch_load_balancer,
    upgrade_control_plane,
    upgrade_node,
    verify_cluster,
)


def _library(package: str, name: str) -> str:
    return re.escape(resources.files(package).joinpath(name).read_text(encoding="utf-8"))


def _template(text: str) -> str:
    """A pattern for what str.format makes of a template; a field that stands there twice has to be the same twice."""
    pattern, seen = "", set()
    for literal, name, _, _ in string.Formatter().parse(text):
        pattern += re.escape(literal)
        if name is not None:
            pattern += f"(?P={name})" if name in seen else rf"(?P<{name}>[^\n;]*?)"
            seen.add(name)
    return pattern


def _word(name: str) -> str:
    return rf"'?(?P<{name}>[^\s']+)'?"


_CRI = containerd.Containerd()
_PRIVATELY = re.escape(f"unshare --mount sh -c 'mount --bind {kubeadm.HOSTS} /etc/hosts && exec \"$@\"' sh ")


def _inside(line: str) -> str:
    """A pattern for a command inside etcd's container, which may fail without the script failing."""
    whole = _CRI.inside_script("etcd", ("WORDS",))
    return re.escape(whole.removesuffix("WORDS\n")) + line + r"\n(?:true\n)?"


def _around(script: str, line: str) -> str:
    """A pattern for a script with a command inside etcd's container in the middle of it."""
    return re.escape(script).replace("INSIDE", _inside(line), 1)


def _end(container: str) -> str:
    return re.escape(f"({_CRI.stop_script(container)}) || :\n")


_END_API_SERVER = _end("kube-apiserver") + r"until_closed (?P<address>\S+)\n"


def _in_image(line: str) -> str:
    """A pattern for a command in a container of etcd's image."""
    image = re.escape(_CRI.image_script("IMAGE", snapshots.DATA)).replace("IMAGE", r"\S+", 1)
    return rf"{image}in_image {line}\n"


def _restore_library() -> str:
    """A pattern for what stands before every call of restore_etcd.sh."""
    image = re.escape(_CRI.image_script("IMAGE", snapshots.DATA)).replace("IMAGE", r"(?P<image>\S+)", 1)
    stops = "".join(re.escape(_CRI.stop_script(name)) for name in restoration._COMPONENTS)
    variables = r"data=\S+\nwork=\S+\nparked=(?P<parked>\S+)\nold=(?P<old>\S+)\nattempt=(?P<attempt>\w+)\netcdutl=\S+\n"
    kill = re.escape(_CRI.stop_script("kube-apiserver", at_once=True))
    stop_all = rf"stop_all\(\) \(\n{stops}\)\nkill_api_server\(\) \(\n{kill}\)\n"
    return (
        variables + re.escape(_CRI.running_script()) + image + stop_all + _library("kubeon.cluster", "restoration.sh")
    )


_TEXTS = (  # libraries and words that do nothing by themselves
    re.escape(apart.TOWARD),
    _library("kubeon.cluster", "apart.sh"),
    *(re.escape(text) for text in (files._ENSURE, install._IS_THERE, install._PLACE, install._ACTIVATE)),
    *(_library("kubeon.hosts", "changes.sh"), _library("kubeon.distros", "debian.sh")),
    *(_library("kubeon.distros", "packages.sh"), r"set [-+]e\n", r"\(\n", r"\) \|\| exit\n", r"\)\n"),
    *(
        re.escape(renew_certificates._SET_FLAG),
        r"exit 0\n",
        r"\n",
        r"mkdir -p /run/kubeon\n",
        r"systemctl enable --now chrony.service >&2\n",
    ),
)
_GUNZIP = r"""new="\$root"(?P<path>\S+)\.kubeon-new\nmkdir -p "\$\{new%/\*\}"\ngzip -dc >"\$new"\n"""
_PATTERNS: tuple[tuple[str, str], ...] = (
    *(("text", text) for text in _TEXTS),
    ("lock", _template(host._LOCK)),
    ("busy", _template(host._BUSY)),
    ("activate", rf"activate (?P<sha256>\w+) (?P<mode>\d+) {_word('path')}(?: (?P<owing>\S+))?\n"),
    ("waits", re.escape(upgrade_node._WAITS)),
    ("kubeadm_upgrade", _template(upgrade_control_plane._KUBEADM).replace("(?P<words>", "(?P<line>")),
    ("upgraded", rf"echo (?P<version>\S+) >{UPGRADED}\n"),
    ("stop_kubelet", r"systemctl stop kubelet\n"),
    ("start_new_kubelet", rf"rm -rf {install.WAITING}\nsystemctl start kubelet\n"),
    ("start_kubelet_again", r"systemctl start kubelet\n"),
    ("unpin", re.escape(containerd.CTR) + rf" images label {_word('reference')} \S+= >/dev/null\n"),
    ("umask", r"umask (?P<umask>\d+)\n"),
    ("stamp", r"stamp=(?P<stamp>'[^']*'|\S+)\n"),
    ("running", re.escape(_CRI.running_script()) + r"running (?P<container>\S+)\n"),
    ("pod_cgroups", re.escape(survey._POD_CGROUPS)),
    ("owed", re.escape(restarts.OWED_SCRIPT)),
    ("owe", r": >(?P<stamp>/run/kubeon-owed-\S+)\n"),
    ("paid", r"rm -f (?P<stamps>/run/kubeon-owed-[^\n]*)\n"),
    ("healthz", _template(restarts._HEALTHZ)),
    ("certificates", re.escape(certificates._FILES)),
    ("served", _template(certificates._SERVED).replace(r"[^\n;]*?", r"[^\n]*?")),
    ("set_flag", r"set_flag (?P<path>\S+) (?P<flag>\S+) (?P<value>\S+)\n"),
    ("gone", r"rm -f (?P<path>/etc/kubernetes/pki/\S+)\n"),
    (
        "facts",
        r"root=''\nask_commands='[^']*'\nask_packages='[^']*'\nask_modules='[^']*'\nask_sysctls='[^']*'\n"
        + _library("kubeon.hosts", "gather.sh"),
    ),
    ("failure", re.escape(failure.failure_script(99999)).replace("99999", r"(?P<since>\d+)")),
    ("health", re.escape(looking.looking_library("health.sh"))),
    ("ask", rf"ask (?P<name>\S+) (?P<seconds>\d+) <<'{health._END}'\n(?P<script>.*?){health._END}\n"),
    ("health_end", re.escape(health._LAST)),
    ("through", re.escape(asking.THROUGH)),
    ("file", rf"ensure_file {_word('path')} (?P<mode>\d+) <<'(?P<end>KUBEON_\w+)'\n(?P<content>.*?)(?P=end)\n"),
    ("link", rf"ln -sfn {_word('target')} {_word('path')}\n"),
    ("setting", r"(?P<call>ensure_hosts_block \S+ <<'KUBEON_HOSTS'\n.*?KUBEON_HOSTS)\n"),
    (
        "setting",
        r"(?P<call>ensure_(?:module|sysctl|swap_off|selinux_permissive|firewall_off|time_service|hostname)[^\n]*)\n",
    ),
    ("record", r"record_sysctl \S+\n"),
    ("packages", r"required=(?P<required>'[^']*'|\S+)\noptional=(?P<optional>'[^']*'|\S+)\nadd_packages\n"),
    ("is_there", rf"is_there (?P<sha256>\w+) (?P<mode>\d+) {_word('path')}\n"),
    ("unpack", re.escape(install._UNPACK)),
    ("gunzip", _GUNZIP),
    ("place", rf'place (?P<sha256>\w+) (?P<mode>\d+) "\$(?:new"|stage"/{_word("source")}) {_word("path")}\n'),
    ("images", re.escape(containerd.Containerd().list_script())),
    ("import", re.escape(containerd.Containerd().import_script())),
    ("pin", re.escape(containerd.CTR) + rf" images label {_word('reference')} {containerd.PIN_LABEL} >/dev/null\n"),
    ("read", r"if \[ -f (?P<path>\S+) \]; then printf '%s ' (?P=path); base64 <(?P=path) \| tr -d '\\n'; echo; fi\n"),
    ("unit", _template(host._UNIT)),
    ("authorize", _template(authorize_key._SCRIPT).replace(r"(?P<key>", r"'?(?P<key>").replace("*?)", "*?)'?", 1)),
    ("trap", r"trap 'rm -f (?P<path>\S+) (?P<other>\S+)' EXIT\n"),
    (
        "private",
        r"\{ echo (?P<address>\S+) (?P<name>\S+); grep -v ' (?P=name)\$' /etc/hosts \|\| true; \} >(?P<path>\S+)\n",
    ),
    ("config", r"cat >(?P<path>\S+) <<'KUBEON_CONFIG'\n(?P<content>.*?)KUBEON_CONFIG\n"),
    ("kubeadm", rf"(?P<privately>{_PRIVATELY})?(?P<line>kubeadm (?:init|join) [^\n]*)\n"),
    ("toward", r"toward (?P<server>\S+:\d+)\n"),
    (
        "stand_apart",
        r"trap 'end_apart (?P<own>\S+:\d+)' EXIT\nstand_apart (?P<other>\S+:\d+)\n"
        + rf"(?:if hold_back \d+; then\nrelease_after_etcd \S+\n{_END_API_SERVER}"
        + r"(?P<led>until_others_lead\n)?fi\n)?",
    ),
    ("end_api_server", _END_API_SERVER),
    ("end_etcd", _end("etcd")),
    ("end_apart", r"trap - EXIT\nend_apart (?P<own>\S+:\d+)\n"),
    ("remember", re.escape(kubeadm.REMEMBER)),
    ("read_back", _template(cluster_configuration._READ_BACK)),
    ("clear_join", _library("kubeon.phases", "clear_join.sh")),
    ("restart_kubelet", r"systemctl restart kubelet\n"),
    ("stop_api_server", _template(leave_cluster._STOP_API_SERVER.replace("{{", "{").replace("}}", "}"))),
    ("inside", _inside(r"(?P<line>etcdctl [^\n]*)")),
    ("save_snapshot", _around(snapshots.save_script("INSIDE"), rf"etcdctl [^\n]* snapshot save {snapshots.SNAPSHOT}")),
    (
        "describe_snapshot",
        re.escape(snapshots.describe_script(lambda *words: "INSIDE-" + "-".join(words[:2])))
        .replace(r"INSIDE\-etcdutl\-version", _inside("etcdutl version"))
        .replace(r"INSIDE\-etcdutl\-snapshot", _inside(rf"etcdutl snapshot status {snapshots.SNAPSHOT} -w json"))
        .replace(r"INSIDE\-etcdctl\-snapshot", _inside(rf"etcdctl snapshot status {snapshots.SNAPSHOT} -w json")),
    ),
    ("has_etcdutl", r"if \(\n" + _inside("etcdutl version") + r"\) >/dev/null 2>&1; then echo there; fi\n"),
    ("has_etcdutl", r"if \(\n" + _in_image("etcdutl version") + r"\) >/dev/null 2>&1; then echo there; fi\n"),
    (
        "send_snapshot",
        re.escape(snapshots.send_script(99999))
        .replace("99999", r"(?P<number>\d+)")
        .replace(str(snapshots.PIECE), r"\d+"),
    ),
    (
        "inspect_etcd",
        re.escape(restoration._INSPECT.format(parked=restoration.PARKED, data=snapshots.DATA, work=snapshots.WORK)),
    ),
    ("restore_library", _restore_library()),
    ("park", r"park\n"),
    ("unpark", r"unpark (?P<names>[^\n]+)\n"),
    ("rescue", r"rescue (?P<member>\S+)\n"),
    ("restore_data", r"restore (?P<words>--name [^\n]+)\n"),
    ("describe_snapshot", re.escape(snapshots.describe_script(restoration.in_image))),
    ("has_snapshot", _template(restoration._LIES_THERE.replace("{work}", snapshots.WORK))),
    ("receive_snapshot", _template(restoration._RECEIVE.replace("{work}", snapshots.WORK))),
    ("clear_snapshot", re.escape(snapshots.CLEAR)),
    ("stop_container", re.escape(_CRI.stop_script("NAME")).replace("NAME", r"(?P<container>\S+?)", 1)),
    ("check_haproxy", _template(haproxy._CHECK.replace("{port}", str(haproxy.HEALTH_PORT)))),
    ("check_external", _template(external._CHECK)),
    ("try_way", _template(switch_load_balancer._TRY)),
    ("stop_units", _template(switch_load_balancer._STOP)),
    ("remove_files", _template(switch_load_balancer._REMOVE)),
    ("remove_folders", _template(switch_load_balancer._REMOVE_FOLDERS)),
    ("listening", _template(switch_load_balancer._LISTENING)),
    ("check_updater", _template(updater._CHECK)),
    ("start_way", re.escape(updater._START)),
    ("init_done", _template(init_control_plane._IS_COMPLETE)),
    ("start_kubelet", re.escape(join_nodes._START_KUBELET)),
    ("kubectl", r"(?:timeout \d+ )?(?P<line>kubectl (?:'[^']*'|[^'\n])*)\n"),
    ("reach", _template(verify_cluster._REACH)),
    ("clean", r"units=.*?\nmarker=\S+\nstays='@@kubeon stays '\n" + _library("kubeon.phases", "clean_host.sh")),
    ("name_packages", re.escape(clean_host._NAME_PACKAGES)),
    ("restore", r"restore \S+\n"),
    ("forget", r"forget\n"),
    ("root", r"root=(?P<root>\S+)\n"),  # after "facts", which begins like it
)
GRAMMAR = tuple(
    (name, re.compile(pattern, re.DOTALL)) for name, pattern in sorted(_PATTERNS, key=lambda p: p[0] == "text")
)
