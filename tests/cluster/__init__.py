"""Real clusters in the lab: kubeon as a user runs it, against real systemd, SSH, kubeadm, etcd and containerd."""
