"""The tables of a watchlist database, as SQLAlchemy Core metadata.

New databases are created from this metadata; Alembic's migrations bring older ones to it. Times are whole microseconds
since 1970-01-01T00:00:00Z. What is personal about a subject is sealed under the subject's data key, which lies in the
vault and not here; columns in the clear hold opaque references, purposes, sites, zones, states, times and actors. The
audit tables and the history tables are append-only by triggers (:mod:`facematch.storage.append_only`).
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
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "APPLICATION_ID",
    "HEAD",
    "REVISIONS",
    "actor_roles",
    "actors",
    "alembic_version",
    "audit",
    "audit_checkpoints",
    "audit_head",
    "audit_nodes",
    "calibrations",
    "changes",
    "complaints",
    "consent_events",
    "consent_purposes",
    "consent_sites",
    "consent_zones",
    "consents",
    "enrollments",
    "meta",
    "metadata",
    "policies",
    "signing_keys",
    "subjects",
    "suspensions",
    "templates",
    "zones",
]

APPLICATION_ID = 0x464D5731
"""``PRAGMA application_id`` of a facematch watchlist (the bytes ``FMW1``)."""

REVISIONS = ("0001",)
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

alembic_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

meta = Table(
    "meta",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("watchlist_id", Text),
    Column("contract_digest", Text),
    Column("dimension", Integer),
    Column("embedder", Text),
    Column("rotation", Integer, nullable=False),
    Column("next_template", Integer, nullable=False),
    Column("scrub_pending", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("standing_mark", Text),
    CheckConstraint("id = 1", name="one_row"),
)

changes = Table(
    "changes",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("subjects", Text),
    Column("nonce", Text, nullable=False),
    Column("mark", Text, nullable=False),
)

subjects = Table(
    "subjects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lookup", Text, nullable=False),
    Column("subject_ref", Text, nullable=False),
    Column("sealed_id", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("lookup"),
    UniqueConstraint("subject_ref"),
    sqlite_autoincrement=True,
)

consents = Table(
    "consents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("record_id", Text, nullable=False),
    Column("subject", Integer, ForeignKey("subjects.id"), nullable=False),
    Column("mark", Text, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("valid_from", Integer, nullable=False),
    Column("valid_until", Integer, nullable=False),
    Column("clear_mark", Text, nullable=False),
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

consent_zones = Table(
    "consent_zones",
    metadata,
    Column("consent", Integer, ForeignKey("consents.id"), primary_key=True),
    Column("zone", Text, primary_key=True),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("consent", Integer, ForeignKey("consents.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("time", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("event", LargeBinary, nullable=False),
)

enrollments = Table(
    "enrollments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Integer, ForeignKey("subjects.id"), nullable=False),
    Column("consent", Integer, ForeignKey("consents.id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("override", LargeBinary),
    Column("decided_by", Text),
    Column("decided_at", Integer),
    CheckConstraint("state IN ('PENDING', 'ACTIVE')", name="state"),
    Index(None, "subject"),
    sqlite_autoincrement=True,
)

templates = Table(
    "templates",
    metadata,
    Column("template_id", Integer, primary_key=True),
    Column("subject", Integer, ForeignKey("subjects.id"), nullable=False),
    Column("consent", Integer, ForeignKey("consents.id"), nullable=False),
    Column("enrollment", Integer, ForeignKey("enrollments.id"), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("sample_mark", Text, nullable=False),
    Column("detection_score", Float, nullable=False),
    Column("face_height_px", Float, nullable=False),
    Column("created_at", Integer, nullable=False),
    UniqueConstraint("consent", "sample_mark"),
    Index(None, "subject"),
)

complaints = Table(
    "complaints",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("subject", Integer, ForeignKey("subjects.id"), nullable=False),
    Column("ground", LargeBinary, nullable=False),
    Column("opened_at", Integer, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("decided_at", Integer),
    Column("decided_by", Text),
    Column("upheld", Integer),
    Index(None, "subject"),
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

policies = Table(
    "policies",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("effective_from", Integer, nullable=False),
    Column("set_at", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    sqlite_autoincrement=True,
)

actors = Table(
    "actors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created_at", Integer, nullable=False),
)

actor_roles = Table(
    "actor_roles",
    metadata,
    Column("actor", Text, ForeignKey("actors.name"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("granted_by", Text, nullable=False),
    Column("granted_at", Integer, nullable=False),
)

zones = Table(
    "zones",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("document", Text, nullable=False),
    Column("opened_at", Integer, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("closed_at", Integer),
    Column("closed_by", Text),
    sqlite_autoincrement=True,
)

suspensions = Table(
    "suspensions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("site", Text),
    Column("zone", Text),
    Column("reason", Text, nullable=False),
    Column("since", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("resume_asked_by", Text),
    Column("lifted_by", Text),
    Column("lifted_at", Integer),
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
    Column("sealed", Text),
    Column("nonce", Text, nullable=False),
    Index(None, "subject_ref"),
)

audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("pruned", Integer, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("note", Text, nullable=False),
    sqlite_autoincrement=True,
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("retired_at", Integer),
)
