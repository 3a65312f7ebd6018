"""The tables of a watchlist database, as SQLAlchemy Core metadata.

The migrations build the schema; a test holds that they and this metadata say the same. Times are whole microseconds
since 1970-01-01T00:00:00Z. The audit table is append-only by triggers (see the first migration).
"""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "APPLICATION_ID",
    "HEAD",
    "REVISIONS",
    "audit",
    "calibrations",
    "consent_events",
    "consent_purposes",
    "consent_sites",
    "consents",
    "meta",
    "metadata",
    "subjects",
    "templates",
]

APPLICATION_ID = 0x464D5731
"""``PRAGMA application_id`` of a facematch watchlist (the bytes ``FMW1``)."""

REVISIONS = ("0001", "0002")
"""Every migration, oldest first. Kept here so that an up-to-date database opens without Alembic."""

HEAD = REVISIONS[-1]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("contract_digest", Text),
    Column("dimension", Integer),
    Column("embedder", Text),
    Column("scrub_pending", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

subjects = Table(
    "subjects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject_id", Text, nullable=False),
    Column("subject_ref", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("subject_id"),
    UniqueConstraint("subject_ref"),
    sqlite_autoincrement=True,
)

consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("record_id", Text, nullable=False),
    Column("subject", Integer, ForeignKey("subjects.id"), nullable=False),
    Column("digest", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("valid_from", Integer, nullable=False),
    Column("valid_until", Integer, nullable=False),
    UniqueConstraint("record_id"),
    Index(None, "subject"),
    sqlite_autoincrement=True,
)

consent_purposes = Table(
    "consent_purposes",
    metadata,
    Column("consent", Integer, ForeignKey("consents.id"), primary_key=True),
    Column("purpose", Text, primary_key=True),
)

consent_sites = Table(
    "consent_sites",
    metadata,
    Column("consent", Integer, ForeignKey("consents.id"), primary_key=True),
    Column("site", Text, primary_key=True),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("consent", Integer, ForeignKey("consents.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("time", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("valid_until", Integer),
    Column("reason", Text),
)

templates = Table(
    "templates",
    metadata,
    Column("template_id", Integer, primary_key=True),
    Column("subject", Integer, ForeignKey("subjects.id"), nullable=False),
    Column("consent", Integer, ForeignKey("consents.id"), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("checksum", Integer, nullable=False),
    Column("sample_digest", Text, nullable=False),
    Column("detection_score", Float, nullable=False),
    Column("face_height_px", Float, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("consent", "sample_digest"),
    Index(None, "subject"),
    sqlite_autoincrement=True,
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("time", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("subject_ref", Text),
    Column("details", Text, nullable=False),
    Index(None, "subject_ref"),
    sqlite_autoincrement=True,
)

calibrations = Table(
    "calibrations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("set_at", Integer, nullable=False),
    sqlite_autoincrement=True,
)
