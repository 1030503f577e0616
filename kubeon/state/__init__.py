"""What the control machine keeps: ~/.kubeon with its clusters, their journals and locks. The only owner of it."""
