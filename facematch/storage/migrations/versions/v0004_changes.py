"""Which subjects each generation changed, so that a gallery in memory reads only those anew."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE changes (
            generation INTEGER NOT NULL,
            subjects TEXT,
            nonce TEXT NOT NULL,
            mark TEXT NOT NULL,
            CONSTRAINT pk_changes PRIMARY KEY (generation)
        )
        """
    )
