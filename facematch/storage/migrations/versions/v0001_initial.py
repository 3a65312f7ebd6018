"""The first schema: subjects, consent records, templates, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("contract_digest", sa.Text()),
        sa.Column("dimension", sa.Integer()),
        sa.Column("embedder", sa.Text()),
        sa.Column("scrub_pending", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_meta"),
        sa.CheckConstraint("id = 1", name="ck_meta_one_row"),
    )
    op.create_table(
        "subjects",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("subject_ref", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("subject_id", name="uq_subjects_subject_id"),
        sa.UniqueConstraint("subject_ref", name="uq_subjects_subject_ref"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Integer(), sa.ForeignKey("subjects.id", name="fk_consents_subject"), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Integer(), nullable=False),
        sa.Column("valid_until", sa.Integer(), nullable=False),
        sa.UniqueConstraint("record_id", name="uq_consents_record_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_consents_subject", "consents", ["subject"])
    consent = sa.ForeignKey("consents.id", name="fk_consent_purposes_consent")
    op.create_table(
        "consent_purposes",
        sa.Column("consent", sa.Integer(), consent, nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("consent", "purpose", name="pk_consent_purposes"),
    )
    consent = sa.ForeignKey("consents.id", name="fk_consent_sites_consent")
    op.create_table(
        "consent_sites",
        sa.Column("consent", sa.Integer(), consent, nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("consent", "site", name="pk_consent_sites"),
    )
    consent = sa.ForeignKey("consents.id", name="fk_consent_events_consent")
    op.create_table(
        "consent_events",
        sa.Column("consent", sa.Integer(), consent, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Integer()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("consent", "position", name="pk_consent_events"),
    )
    op.create_table(
        "templates",
        sa.Column("template_id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("subject", sa.Integer(), sa.ForeignKey("subjects.id", name="fk_templates_subject"), nullable=False),
        sa.Column("consent", sa.Integer(), sa.ForeignKey("consents.id", name="fk_templates_consent"), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("checksum", sa.Integer(), nullable=False),
        sa.Column("sample_digest", sa.Text(), nullable=False),
        sa.Column("detection_score", sa.Float(), nullable=False),
        sa.Column("face_height_px", sa.Float(), nullable=False),
        sa.Column("created_at", sa.Integer(), nullable=False),
        sa.UniqueConstraint("consent", "sample_digest", name="uq_templates_consent_sample_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_templates_subject", "templates", ["subject"])
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("time", sa.Integer(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("subject_ref", sa.Text()),
        sa.Column("details", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_subject_ref", "audit", ["subject_ref"])
    for name, when, message in (
        ("audit_no_update", "BEFORE UPDATE ON audit", "the audit table is append-only"),
        ("audit_no_delete", "BEFORE DELETE ON audit", "the audit table is append-only"),
        (
            "audit_no_replace",
            "BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq)",
            "the audit table is append-only",
        ),
        ("consent_events_no_update", "BEFORE UPDATE ON consent_events", "consent events are append-only"),
    ):
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{message}'); END")
