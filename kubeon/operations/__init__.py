"""One module per operation; steps.py is the table of contents."""
