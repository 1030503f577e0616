"""Upstream's conformance tests (e2e.test) on a cluster that kubeon made in the lab: `./dev conformance`."""
