"""What is wanted: the cluster's description, its defaults and its rules. Pure: no host, no file, no clock."""
