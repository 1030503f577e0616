"""What has been tried in real clusters, by kind. Everything else is written, and tested on fakes."""

TRIED: dict[str, frozenset[str]] = {
    "kubernetes": frozenset({"v1.20.2", "v1.20.15"}),
    "os": frozenset({"debian"}),
    "network": frozenset({"bridge", "none"}),
    "load-balancer": frozenset({"haproxy", "external", "updater"}),
    "runtime": frozenset({"containerd"}),
    "architecture": frozenset({"amd64"}),
}
