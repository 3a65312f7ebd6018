"""Recorded files: the pipeline over them and what it writes."""
