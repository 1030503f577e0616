"""Material of a cluster: which files and images, where they come from, and the store they lie in."""
