"""Initial schema. New databases are created from the metadata at the newest revision, so nothing runs here."""

from __future__ import annotations

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
