"""Answers of `kubeon certs`: a table that folds what is alike on hundreds of nodes, and everything for programs."""

from datetime import datetime

from kubeon.console.progress import duration, shortened
from kubeon.console.shapes import certificates as certificates_shapes
from kubeon.console.shapes import operations as operations_shapes
from kubeon.console.summary import columns
from kubeon.operations.certs_renew import RenewResult
from kubeon.operations.certs_rotate_ca import RotateResult
from kubeon.operations.certs_show import Inspection
from kubeon.operations.certs_show import Shown as ShownCertificate

_NODES = 6  # named in a row of the table before the rest is counted


def shown_object(found: Inspection) -> certificates_shapes.Certificates:
    """All of it."""
    return {
        "cluster": found.cluster,
        "ok": found.ok,
        "warnDays": found.warn_days,
        "certificates": [_row_object(row, found) for row in found.rows],
        "problems": [
            {"node": row.node, "name": row.name, "file": row.file, "what": what} for row, what in found.problems
        ],
        "unreachable": dict(found.missed),
    }


def table_text(found: Inspection) -> str:
    """Soonest expiry first; the same certificate of many nodes, with the same day, is one row."""
    groups: dict[tuple[str, str, str, str, str], list[str]] = {}
    for row in sorted(found.rows, key=lambda row: (_end(row), row.name)):
        expires, left = _expiry(row, found.now)
        key = (row.name, row.authority, expires, left, row.problem(found.now, found.warn_days))
        nodes = groups.setdefault(key, [])
        if row.node not in nodes:
            nodes.append(row.node)
    rows: list[tuple[str, ...]] = [("NAME", "AUTHORITY", "EXPIRES", "LEFT", "NODES", "")]
    rows += [(*key[:4], shortened(nodes, _NODES), key[4]) for key, nodes in groups.items()]
    return "\n".join([columns(rows), "", *_verdict(found)])


def details_text(found: Inspection) -> str:
    """A block for each."""
    blocks = []
    for row in sorted(found.rows, key=lambda row: (row.node, row.file, row.kind)):
        lines = [f"{row.node}: {row.name}", f"    file       {row.file}"]
        if row.info:
            lines += [f"    subject    {row.info.subject}"]
            lines += [f"    names      {', '.join(row.info.names)}"] if row.info.names else []
            lines += [f"    valid      {row.info.not_before:%Y-%m-%d %H:%M} to {row.info.not_after:%Y-%m-%d %H:%M} UTC"]
            lines += [f"    authority  {row.authority}"]
        lines += [f"    served     {'yes' if row.served else 'no'}"] if row.served is not None else []
        problem = row.problem(found.now, found.warn_days)
        blocks.append("\n".join([*lines, *([f"    problem    {problem}"] if problem else [])]))
    return "\n\n".join([*blocks, "\n".join(_verdict(found))])


def renewed(result: RenewResult) -> tuple[operations_shapes.Renewed, str]:
    """What `certs renew` says at the end."""
    value: operations_shapes.Renewed = {
        "cluster": result.cluster,
        "changed": result.changed,
        "renewed": {node: list(names) for node, names in result.renewed.items()},
        "seconds": round(result.seconds, 1),
        "kubeconfig": str(result.kubeconfig) if result.kubeconfig else None,
        "log": str(result.log) if result.log else None,
    }
    count = sum(map(len, result.renewed.values()))
    nodes = f"{len(result.renewed)} node{'' if len(result.renewed) == 1 else 's'}"
    first = f"{count} certificates and kubeconfigs renewed on {nodes}"
    if not count:
        first = "The settings are as asked for" if result.changed else "Every certificate is fit; nothing was changed"
    return value, f"{first} ({duration(result.seconds)}).\n\nNext:\n    kubeon certs show {result.cluster}"


def rotated(result: RotateResult) -> tuple[operations_shapes.Rotated, str]:
    """What `certs rotate-ca` says at the end."""
    value: operations_shapes.Rotated = {
        "cluster": result.cluster,
        "rotated": list(result.names),
        "stage": result.stage or "done",
        "workloads": list(result.others),
        "problems": list(result.problems),
        "old": str(result.old) if result.old else None,
        "seconds": round(result.seconds, 1),
        "kubeconfig": str(result.kubeconfig) if result.kubeconfig else None,
        "log": str(result.log) if result.log else None,
    }
    names, taken = ", ".join(result.names), duration(result.seconds)
    lines = [f"Cluster {result.cluster} has new CAs: {names} ({taken}). The old ones are kept in {result.old}."]
    if result.stage:
        lines = [f"Cluster {result.cluster} trusts old and new CAs: {names} ({taken})."]
    if result.problems:
        lines += ["", "These did not come back in time:", *(f"    {line}" for line in result.problems)]
    if result.others:
        lines += ["", "Pods of yours that talk to the API have to be restarted:"]
        lines += [f"    kubectl rollout restart -n {' '.join(line.split(' ', 1))}" for line in result.others]
    if result.stage:
        lines += ["", "Then go on:", f"    kubeon certs rotate-ca {result.cluster}"]
    elif "ca" in result.names:
        lines += ["", "Kubeconfigs that you have given to others trust the old CA: give them new ones."]
    return value, "\n".join(lines)


def _row_object(row: ShownCertificate, found: Inspection) -> certificates_shapes.Certificate:
    info = row.info
    return {
        "node": row.node,
        "name": row.name,
        "file": row.file,
        "kind": row.kind,
        "subject": info.subject if info else None,
        "names": list(info.names) if info else [],
        "authority": row.authority or None,
        "notBefore": f"{info.not_before:%Y-%m-%dT%H:%M:%SZ}" if info else None,
        "notAfter": f"{info.not_after:%Y-%m-%dT%H:%M:%SZ}" if info else None,
        "daysLeft": info.days_left(found.now) if info else None,
        "fingerprint": info.fingerprint if info else None,
        "served": row.served,
        "problem": row.problem(found.now, found.warn_days) or None,
    }


def _verdict(found: Inspection) -> list[str]:
    lines = [f"{node} was not asked: {why}" for node, why in found.missed.items()]
    kinds: dict[str, int] = {}
    for _, what in found.problems:
        kinds[what] = kinds.get(what, 0) + 1
    lines += [f"{count} certificate{'' if count == 1 else 's'}: {what}" for what, count in kinds.items()]
    return lines or [f"All are fit for {found.warn_days} days and more."]


def _end(row: ShownCertificate) -> str:
    return f"{row.info.not_after:%Y-%m-%d}" if row.info else "9999"


def _expiry(row: ShownCertificate, now: datetime) -> tuple[str, str]:
    if row.info is None:
        return "never" if row.kind == "key" else "", ""
    return f"{row.info.not_after:%Y-%m-%d}", f"{row.info.days_left(now)}d"
