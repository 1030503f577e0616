"""apiserver-updater: keeps the endpoints of Service kube-system/apiserver equal to those of default/kubernetes."""
