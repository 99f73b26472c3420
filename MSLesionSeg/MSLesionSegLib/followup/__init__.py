"""What changed between two dates of one patient, from two results of ``segment``; see ``comparison.py``."""
