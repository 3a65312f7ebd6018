"""The in-memory projection of the enrolled templates that searches run on; internal."""
