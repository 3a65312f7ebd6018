"""The audit log as a Merkle tree: entries, signed checkpoints, proofs, and the verifier that runs on its own.

A writer of the database file can rewrite entries, but not the signed head over them: an edit, an insertion, a
removal or a new order is found and named. An older state put back as a whole, with the head that was signed then, is
found only by a checkpoint that was kept somewhere else; no log can do without that.
"""

from facematch.governance.audit.checkpoint import AuditSigner, read_checkpoint, require_signature
from facematch.governance.audit.entries import (
    AuditAction,
    AuditEntry,
    AuditOutcome,
    AuditRecord,
    Details,
    Sealer,
    Unsealer,
)
from facematch.governance.audit.findings import AuditVerification
from facematch.governance.audit.proofs import ConsistencyProof, InclusionProof
from facematch.governance.audit.verifier import Checkpoint, Finding

__all__ = [
    "AuditAction",
    "AuditEntry",
    "AuditOutcome",
    "AuditRecord",
    "AuditSigner",
    "AuditVerification",
    "Checkpoint",
    "ConsistencyProof",
    "Details",
    "Finding",
    "InclusionProof",
    "Sealer",
    "Unsealer",
    "read_checkpoint",
    "require_signature",
]
