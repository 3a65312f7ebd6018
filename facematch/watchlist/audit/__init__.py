"""The audit log in the watchlist's own database: a Merkle tree under a signed head."""

from facematch.watchlist.audit.pruning import MIN_KEEP, prune
from facematch.watchlist.audit.reader import TableAuditLog
from facematch.watchlist.audit.verification import verify_log
from facematch.watchlist.audit.writer import TableAuditWriter

__all__ = ["MIN_KEEP", "TableAuditLog", "TableAuditWriter", "prune", "verify_log"]
