"""Phase, plan, runner. Knows nothing of Kubernetes."""
