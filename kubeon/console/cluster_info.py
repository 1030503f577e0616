"""How a cluster is, on one screen, drawn from what `--output json` holds. Pure; `Console` prints it.

In a large cluster nodes that are well share a line: who looks wants to see the others.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from kubeon.console.progress import shortened
from kubeon.console.summary import columns

FOLD_FROM = 20  # with more nodes, those that are well are folded
_HEADINGS = ("NODE", "ADDRESS", "ROLE", "STATUS", "AGE", "DISK", "KUBELET", "RUNTIME", "OS", "KERNEL")
_COMMON_FROM = 6  # columns from here on are left out where all nodes have the same: one line says it
_UNKNOWN = "?"
Value = Mapping[str, Any]


def cluster_info_text(value: Value, *, every: bool = False) -> str:
    """The screen; `every` shows every node of a large cluster."""
    blocks = [_headline(value), _reasons(value), _nodes(value, every=every), _facts(value), _pods(value)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def cluster_info_line(value: Value) -> str:
    """The same on one line, for a log: when, the verdict, and why."""
    why = "; ".join(_who(reason) + reason["what"] for reason in value["reasons"] if reason["severity"] != "warning")
    return f"{value['asked']} {value['cluster']} is {value['verdict']}" + (f": {why}" if why else "")


def _headline(value: Value) -> str:
    counts = Counter(reason["severity"] for reason in value["reasons"])
    bad = counts["down"] + counts["degraded"]
    words = [f"{bad} reason{'' if bad == 1 else 's'}"] if bad else []
    words += [f"{counts['warning']} warning{'' if counts['warning'] == 1 else 's'}"] if counts["warning"] else []
    return f"Cluster {value['cluster']} is {value['verdict']}" + (f" ({', '.join(words)})." if words else ".")


def _who(reason: Value) -> str:
    return f"{shortened(list(reason['nodes']), 8)}: " if reason["nodes"] else ""


def _reasons(value: Value) -> str:
    lines = []
    for reason in value["reasons"]:
        lines.append(f"{reason['severity']:<9}{_who(reason)}{reason['what']}")
        if reason["hint"]:
            lines.append(f"{'':<9}-> {reason['hint']}")
    return "\n".join(lines)


def _nodes(value: Value, *, every: bool) -> str:
    nodes: Sequence[Value] = value["nodes"]
    ill = {name for reason in value["reasons"] for name in reason["nodes"]}
    folds = len(nodes) > FOLD_FROM and not every
    shown = [node for node in nodes if not folds or node["name"] in ill or node["role"] == "control-plane"]
    shown.sort(key=lambda node: folds and node["name"] not in ill)  # what is wrong first
    now = datetime.fromisoformat(value["asked"])
    rows = [_row(node, now) for node in nodes]
    values = [{row[index] for row in rows} - {_UNKNOWN} for index in range(len(_HEADINGS))]
    kept = [index for index in range(len(_HEADINGS)) if index < _COMMON_FROM or len(values[index]) > 1]
    table = [_HEADINGS, *(_row(node, now) for node in shown)]
    lines = [columns([tuple(row[index] for index in kept) for row in table])]
    if folded := len(nodes) - len(shown):
        lines.append(f"and {folded} workers of which there is nothing to say (--all lists them)")
    common = [
        f"{_HEADINGS[index].lower()} {next(iter(values[index]))}"
        for index in range(len(_HEADINGS))
        if index not in kept and values[index]
    ]
    return "\n".join([*lines, *([f"everywhere: {', '.join(common)}"] if common else [])])


def _row(node: Value, now: datetime) -> tuple[str, ...]:
    fullest = max(node["disks"], key=lambda disk: disk["usedPercent"], default=None)
    disk = f"{fullest['usedPercent']} % of {fullest['folder']}" if fullest else _UNKNOWN
    return (
        node["name"],
        node["address"],
        node["role"],
        _status(node),
        _age(node["created"], now),
        disk,
        node["kubelet"] or _UNKNOWN,
        node["runtime"].replace("://", " ") or _UNKNOWN,
        node["os"] or _UNKNOWN,
        node["kernel"] or _UNKNOWN,
    )


def _status(node: Value) -> str:
    words = [{True: "Ready", False: "NotReady", None: "unknown"}[node["ready"]]]
    words += ["cordoned"] if node["cordoned"] else []
    words += [] if node["answers"] else ["silent"]
    words += [f"{unit} {state}" for unit, state in node["units"].items() if state not in ("active", "reloading")]
    words += node["pressures"]
    return ",".join(words)


def _facts(value: Value) -> str:
    rows: list[tuple[str, ...]] = [
        ("API", _api(value["api"])),
        ("etcd", _etcd(value["etcd"])),
        ("certificates", _certificates(value["certificates"])),
        ("clocks", _clocks(value["clocks"]["skewSeconds"])),
        ("operation", _operation(value["operation"])),
        (
            "asked",
            f"{sum(node['answers'] for node in value['nodes'])} of {len(value['nodes'])} hosts answered, "
            f"{value['seconds']:.1f} s",
        ),
    ]
    return columns(rows)


def _api(api: Value) -> str:
    servers, workers = api["servers"], [each for each in api["workers"] if each["works"] is not None]
    ready = sum(bool(server["ready"]) for server in servers)
    text = f"{api['endpoint']} by {api['loadBalancer']}; {ready} of {len(servers)} API servers ready"
    if api["workers"]:
        works = sum(bool(each["works"]) for each in workers)
        text += f"; {works} of {len(api['workers'])} workers reach it"
    return text


def _etcd(etcd: Value) -> str:
    members = etcd["members"]
    leader = next((member["node"] or member["name"] for member in members if member["leader"]), "")
    versions = sorted({member["version"] for member in members if member["version"]})
    sizes = [member["dbSizeBytes"] for member in members if member["dbSizeBytes"] is not None]
    words = [etcd["summary"]]
    words += [f"leader {leader}"] if leader else []
    words += [f"version {', '.join(versions)}"] if versions else []
    words += [f"database {max(sizes) / 2**20:.1f} MiB"] if sizes else []
    words += ["alarms: " + ", ".join(alarm["alarm"] for alarm in etcd["alarms"])] if etcd["alarms"] else []
    return "; ".join(words)


def _certificates(certificates: Value) -> str:
    first = certificates["first"]
    if not first:
        return "none seen"
    days = first["daysLeft"]
    left = f"in {days} days" if days >= 0 else f"{-days} days ago"
    return (
        f"{first['path']} on {first['node']} ends first: {first['expires'][:10]}, {left} ({certificates['count']} seen)"
    )


def _clocks(skew: float | None) -> str:
    if skew is None:
        return "not compared"
    return f"at least {skew:.1f} s apart" if skew > 0.5 else "no difference that matters"


def _operation(operation: Value) -> str:
    last, running = operation["last"], operation["running"]
    words = []
    if running:
        words.append(f"{running['who']} runs {running['operation']} since {running['since']}")
    if last:
        words.append(
            f"last: {last['operation']} by {last['who']}, {last['begun'][:16].replace('T', ' ')} UTC: {last['result']}"
        )
    return "; ".join(words) or "none on record"


def _pods(value: Value) -> str:
    rows: list[tuple[str, ...]] = [("SYSTEM POD", "READY", "RESTARTS", "IMAGE")]
    rows += [
        (group["component"], f"{group['ready']}/{group['total']}", str(group["restarts"]), group["image"])
        for group in value["pods"]
    ]
    return columns(rows) if value["pods"] else ""


def _age(created: str | None, now: datetime) -> str:
    """As kubectl has it, in one unit."""
    if not created:
        return _UNKNOWN
    seconds = max(0, int((now - datetime.fromisoformat(created)).total_seconds()))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
