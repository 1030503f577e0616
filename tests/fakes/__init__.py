"""Machines, an API server and a file server that remember, and that fail on anything they were not told about."""
