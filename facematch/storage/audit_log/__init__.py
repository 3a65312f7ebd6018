"""The audit log in the watchlist's own database: a Merkle tree under a signed head."""

from facematch.storage.audit_log.pruning import MIN_KEEP, prune
from facematch.storage.audit_log.reader import AuditLog
from facematch.storage.audit_log.verify import verify_log
from facematch.storage.audit_log.writer import TableAuditWriter

__all__ = ["MIN_KEEP", "AuditLog", "TableAuditWriter", "prune", "verify_log"]
