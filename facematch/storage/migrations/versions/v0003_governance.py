"""Governance in the database: sealed subjects, approvals, policies, actors, zones, suspensions, a Merkle log.

What the earlier schema kept in the clear is moved aside under names that begin with ``plain_``. Opening the watchlist
seals it and drops those tables in the same transaction (see :mod:`facematch.watchlist.sealing`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OLD = ("meta", "subjects", "consents", "consent_purposes", "consent_sites", "consent_events", "templates", "audit")
_OLD_INDEXES = ("ix_consents_subject", "ix_templates_subject", "ix_audit_subject_ref")
_OLD_TRIGGERS = ("audit_no_update", "audit_no_delete", "audit_no_replace", "consent_events_no_update")

_TABLES = """
CREATE TABLE actors (
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT pk_actors PRIMARY KEY (name)
);

CREATE TABLE audit (
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    subject_ref TEXT,
    details TEXT NOT NULL,
    sealed TEXT,
    nonce TEXT NOT NULL,
    CONSTRAINT pk_audit PRIMARY KEY (seq)
);

CREATE INDEX ix_audit_subject_ref ON audit (subject_ref);

CREATE TABLE audit_checkpoints (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    size INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    note TEXT NOT NULL
);

CREATE TABLE audit_head (
    id INTEGER NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    pruned INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL,
    CONSTRAINT pk_audit_head PRIMARY KEY (id),
    CONSTRAINT ck_audit_head_one_row CHECK (id = 1)
);

CREATE TABLE audit_nodes (
    level INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    CONSTRAINT pk_audit_nodes PRIMARY KEY (level, position)
)
 WITHOUT ROWID;

CREATE TABLE meta (
    id INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    watchlist_id TEXT,
    contract_digest TEXT,
    dimension INTEGER,
    embedder TEXT,
    rotation INTEGER NOT NULL,
    next_template INTEGER NOT NULL,
    scrub_pending INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    standing_mark TEXT,
    CONSTRAINT pk_meta PRIMARY KEY (id),
    CONSTRAINT ck_meta_one_row CHECK (id = 1)
);

CREATE TABLE policies (
    version INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL,
    document TEXT NOT NULL,
    effective_from INTEGER NOT NULL,
    set_at INTEGER NOT NULL,
    actor TEXT NOT NULL
);

CREATE TABLE signing_keys (
    key_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    CONSTRAINT pk_signing_keys PRIMARY KEY (key_id)
);

CREATE TABLE subjects (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    lookup TEXT NOT NULL,
    subject_ref TEXT NOT NULL,
    sealed_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT uq_subjects_lookup UNIQUE (lookup),
    CONSTRAINT uq_subjects_subject_ref UNIQUE (subject_ref)
);

CREATE TABLE suspensions (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    site TEXT,
    zone TEXT,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    actor TEXT NOT NULL,
    resume_asked_by TEXT,
    lifted_by TEXT,
    lifted_at INTEGER
);

CREATE TABLE zones (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    zone TEXT NOT NULL,
    document TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    opened_by TEXT NOT NULL,
    closed_at INTEGER,
    closed_by TEXT
);

CREATE TABLE actor_roles (
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    granted_by TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    CONSTRAINT pk_actor_roles PRIMARY KEY (actor, role),
    CONSTRAINT fk_actor_roles_actor FOREIGN KEY(actor) REFERENCES actors (name)
);

CREATE TABLE complaints (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject INTEGER NOT NULL,
    ground BLOB NOT NULL,
    opened_at INTEGER NOT NULL,
    opened_by TEXT NOT NULL,
    decided_at INTEGER,
    decided_by TEXT,
    upheld INTEGER,
    CONSTRAINT fk_complaints_subject FOREIGN KEY(subject) REFERENCES subjects (id)
);

CREATE INDEX ix_complaints_subject ON complaints (subject);

CREATE TABLE consents (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL,
    subject INTEGER NOT NULL,
    mark TEXT NOT NULL,
    record BLOB NOT NULL,
    state TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    clear_mark TEXT NOT NULL,
    CONSTRAINT uq_consents_record_id UNIQUE (record_id),
    CONSTRAINT fk_consents_subject FOREIGN KEY(subject) REFERENCES subjects (id)
);

CREATE INDEX ix_consents_subject ON consents (subject);

CREATE TABLE consent_events (
    consent INTEGER NOT NULL,
    position INTEGER NOT NULL,
    time INTEGER NOT NULL,
    state TEXT NOT NULL,
    event BLOB NOT NULL,
    CONSTRAINT pk_consent_events PRIMARY KEY (consent, position),
    CONSTRAINT fk_consent_events_consent FOREIGN KEY(consent) REFERENCES consents (id)
);

CREATE TABLE consent_purposes (
    consent INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    CONSTRAINT pk_consent_purposes PRIMARY KEY (consent, purpose),
    CONSTRAINT fk_consent_purposes_consent FOREIGN KEY(consent) REFERENCES consents (id)
);

CREATE TABLE consent_sites (
    consent INTEGER NOT NULL,
    site TEXT NOT NULL,
    CONSTRAINT pk_consent_sites PRIMARY KEY (consent, site),
    CONSTRAINT fk_consent_sites_consent FOREIGN KEY(consent) REFERENCES consents (id)
);

CREATE TABLE consent_zones (
    consent INTEGER NOT NULL,
    zone TEXT NOT NULL,
    CONSTRAINT pk_consent_zones PRIMARY KEY (consent, zone),
    CONSTRAINT fk_consent_zones_consent FOREIGN KEY(consent) REFERENCES consents (id)
);

CREATE TABLE enrollments (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject INTEGER NOT NULL,
    consent INTEGER NOT NULL,
    state TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    override BLOB,
    decided_by TEXT,
    decided_at INTEGER,
    CONSTRAINT ck_enrollments_state CHECK (state IN ('PENDING', 'ACTIVE')),
    CONSTRAINT fk_enrollments_subject FOREIGN KEY(subject) REFERENCES subjects (id),
    CONSTRAINT fk_enrollments_consent FOREIGN KEY(consent) REFERENCES consents (id)
);

CREATE INDEX ix_enrollments_subject ON enrollments (subject);

CREATE TABLE templates (
    template_id INTEGER NOT NULL,
    subject INTEGER NOT NULL,
    consent INTEGER NOT NULL,
    enrollment INTEGER NOT NULL,
    vector BLOB NOT NULL,
    sample_mark TEXT NOT NULL,
    detection_score FLOAT NOT NULL,
    face_height_px FLOAT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT pk_templates PRIMARY KEY (template_id),
    CONSTRAINT uq_templates_consent_sample_mark UNIQUE (consent, sample_mark),
    CONSTRAINT fk_templates_subject FOREIGN KEY(subject) REFERENCES subjects (id),
    CONSTRAINT fk_templates_consent FOREIGN KEY(consent) REFERENCES consents (id),
    CONSTRAINT fk_templates_enrollment FOREIGN KEY(enrollment) REFERENCES enrollments (id)
);

CREATE INDEX ix_templates_subject ON templates (subject)
"""

_CONTENTS = """
INSERT INTO meta (
    id, generation, contract_digest, dimension, embedder, rotation, next_template, scrub_pending, created_at
)
SELECT id, generation, contract_digest, dimension, embedder, 1,
    1 + (SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name IN ('templates', 'plain_templates')),
    scrub_pending, created_at
FROM plain_meta
"""

_FIXED = (
    "consent_events",
    "calibrations",
    "policies",
    "audit_nodes",
    "audit_checkpoints",
)
"""Tables whose rows are never changed; those of subjects go with them."""


def upgrade() -> None:
    connection = op.get_bind()
    used = connection.execute(sa.text("SELECT count(*) FROM meta")).scalar_one()
    for trigger in _OLD_TRIGGERS:
        op.execute(f"DROP TRIGGER {trigger}")
    for index in _OLD_INDEXES:
        op.execute(f"DROP INDEX {index}")
    for table in _OLD if used else reversed(_OLD):
        if used:
            op.rename_table(table, f"plain_{table}")
        else:
            op.drop_table(table)
    for statement in _TABLES.split(";"):
        op.execute(statement)
    if used:
        op.execute(_CONTENTS)
    for table in _FIXED:
        _forbid(f"{table}_no_update", f"BEFORE UPDATE ON {table}", table)
    for table in ("calibrations", "policies", "audit_nodes", "audit_checkpoints", "signing_keys", "audit_head"):
        _forbid(f"{table}_no_delete", f"BEFORE DELETE ON {table}", table)
    for table, key in (
        ("audit", "seq"),
        ("audit_checkpoints", "id"),
        ("policies", "version"),
        ("calibrations", "id"),
        ("signing_keys", "key_id"),
        ("audit_head", "id"),
    ):
        _forbid(
            f"{table}_no_replace",
            f"BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})",  # noqa: S608
            table,
        )
    _forbid(
        "audit_nodes_no_replace",
        "BEFORE INSERT ON audit_nodes WHEN EXISTS "
        "(SELECT 1 FROM audit_nodes WHERE level = NEW.level AND position = NEW.position)",
        "audit_nodes",
    )
    _forbid("audit_no_update", "BEFORE UPDATE ON audit", "audit")
    _forbid(
        "audit_no_delete", "BEFORE DELETE ON audit WHEN OLD.seq > COALESCE((SELECT pruned FROM audit_head), 0)", "audit"
    )
    _forbid(
        "audit_head_no_return",
        "BEFORE UPDATE ON audit_head WHEN NEW.size < OLD.size OR NEW.pruned < OLD.pruned",
        "audit_head",
    )


def _forbid(name: str, when: str, table: str) -> None:
    op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, 'the table {table} is append-only'); END")
