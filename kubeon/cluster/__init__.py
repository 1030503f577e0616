"""What operations and phases know of a cluster, ask it, and do to it in more than one place."""
