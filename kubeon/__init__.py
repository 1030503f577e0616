"""kubeon: plain Linux servers into highly available Kubernetes clusters, with kubeadm, over SSH."""

__version__ = "0.1.0"
