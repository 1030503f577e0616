"""How long `create` takes, against bare kubeadm and against the naive script of the lab's example, in one run."""
