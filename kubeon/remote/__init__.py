"""Commands and files on hosts: `exec` and `cp`. Logins are all that they need, no Kubernetes and no lock."""
