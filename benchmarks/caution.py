"""A word beside figures that were measured while the machine did something else as well."""

BUSY = 0.5
"""Cores that other programs may keep busy before figures are called provisional."""


def caution(busy: float, what: str = "these figures are") -> str:
    """Says so where it was; nothing where the machine was idle."""
    return f" **Other programs kept {busy:.1f} cores busy: {what} provisional.**" if busy > BUSY else ""
