"""What `--output json` prints, command by command; the type checker holds the commands to it.

Stable: fields may be added, none goes or changes its meaning. Moments are ISO 8601 in UTC; null: nobody could say.
TypedDict is typing_extensions': pydantic, which makes JSON Schemas of them, takes Python's own since 3.12.
"""

from collections.abc import Mapping

from kubeon.console.shapes import certificates, cluster_info, etcd, operations, records, screens

SHAPES: Mapping[str, type] = {
    "create": operations.Created,
    "adopt": operations.Created,
    "add": operations.Created,
    "del": operations.Deleted,
    "destroy": operations.Destroyed,
    "upgrade": operations.Upgraded,
    "lb switch": operations.Switched,
    "certs show": certificates.Certificates,
    "certs renew": operations.Renewed,
    "certs rotate-ca": operations.Rotated,
    "etcd members": etcd.Etcd,
    "etcd status": etcd.Etcd,
    "etcd defrag": etcd.Defrag,
    "etcd snapshot save": etcd.Saved,
    "etcd snapshot list": etcd.Snapshots,
    "etcd snapshot restore": etcd.Restored,
    "rename": operations.Renamed,
    "forget": operations.Forgotten,
    "preflight": screens.Findings,
    "exec": operations.Executed,
    "cp": operations.Copied,
    "list": records.Clusters,
    "use": records.Current,
    "cluster-info": cluster_info.ClusterInfo,
    "history": records.History,
    "history operation": records.PhasesOf,
    "history log": records.LogOf,
    "kubeconfig": records.Kubeconfig,
    "kubeconfig merged": records.MergedKubeconfig,
    "view components": records.Release,
    "view support": records.Support,
    "completion": records.Completion,
    "plan": screens.Plan,
    "error": screens.Error,
}
