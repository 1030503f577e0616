"""The machines behind the nodes: host, fleet, facts, files, units, the marked block in /etc/hosts."""
