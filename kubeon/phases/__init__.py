"""One file per phase: who it concerns, and what it makes so on one host."""
