"""How bytes reach a machine. The only importer of fabric and paramiko."""
