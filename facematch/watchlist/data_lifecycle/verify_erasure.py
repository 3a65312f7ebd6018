"""Verification of an erasure by its certificate: rows, gallery, keys, audit log, and the bytes of all files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facematch.errors import ErasureUnproven
from facematch.gallery.cache_file import gallery_path
from facematch.governance import AuditAction
from facematch.governance.audit import InclusionProof
from facematch.governance.certificates import verify_certificate
from facematch.storage.audit_log.prove import prove_consistency, signed_head
from facematch.storage.files import files_holding
from facematch.storage.vault_file import vault_path
from facematch.watchlist.resources import Resources
from facematch.watchlist.session import Session

__all__ = ["ErasureCheck", "verify_erasure"]

_SHORTEST_NAME = 6
"""Subject ids shorter than this, in bytes, stand in any file by chance, so they are not looked for."""


@dataclass(frozen=True, slots=True)
class ErasureCheck:
    """Result of proving an erasure.

    Attributes:
        subject_ref: The reference that the subject had.
        findings: What is still there and where; empty when the erasure is proved.
        files: The files whose bytes were scanned.
    """

    subject_ref: str
    findings: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def require(self) -> ErasureCheck:
        """Itself when nothing was found.

        Raises:
            ErasureUnproven: Something is still there.
        """
        if self.findings:
            raise ErasureUnproven(
                "the erasure is not complete: " + "; ".join(self.findings),
                hint="close other processes that hold the database open and open the watchlist again",
            )
        return self

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "ok": self.ok,
            "subject_ref": self.subject_ref,
            "findings": list(self.findings),
            "files": list(self.files),
        }


def verify_erasure(
    session: Session, certificate: Mapping[str, Any] | str | bytes, extra_files: Sequence[Path] = ()
) -> ErasureCheck:
    """Look for what a certificate says has gone; see :meth:`facematch.watchlist.Watchlist.verify_erasure`."""
    with session.operation(AuditAction.CHECK_ERASURE) as operation:
        resources = operation.resources
        data = verify_certificate(certificate, public_key=resources.signer.public_key)
        subject_id, subject_ref = str(data["subject_id"]), str(data["subject_ref"])
        findings = []
        with operation.read() as connection:
            if subject_ref in resources.subjects.references(connection):
                findings.append("the subject is in the database")
            snapshot = resources.gallery.refresh(connection)
        if subject_ref in snapshot.columns.subject_refs:
            findings.append("a search can return the subject")
        if subject_ref in resources.cipher.subject_refs():
            findings.append("the subject's data key is in the vault")
        if resources.vault.tombstones().get(subject_ref, ("", 0))[0] != "ERASED":
            findings.append("the vault does not know of the erasure")
        findings.extend(_audit_findings(resources, data))
        wanted = [bytes.fromhex(value) for value in data["fingerprints"]]
        if len(subject_id.encode()) >= _SHORTEST_NAME:
            wanted.append(subject_id.encode())
        files = [*_files_of(resources), *extra_files]
        findings.extend(f"bytes of the subject are in {path.name!r}" for path in files_holding(files, wanted))
        result = ErasureCheck(subject_ref, tuple(findings), tuple(str(path) for path in files))
        with operation.write() as tx:
            tx.audit({"erased_ref": subject_ref, "findings": len(findings)})
    return result


def _audit_findings(resources: Resources, data: Mapping[str, Any]) -> list[str]:
    key, origin = resources.signer.public_key, resources.origin
    proof = InclusionProof.from_dict(data["audit"]["proof"])
    with resources.database.read() as connection:
        if proof.size > signed_head(connection, public_key=key, origin=origin).size:
            return ["the audit log is shorter than when the certificate was issued"]
        _, root = prove_consistency(connection, proof.size, public_key=key, origin=origin)
    if root != bytes.fromhex(data["audit"]["root"]):
        return ["the audit log is not the one that the certificate was issued from"]
    return []


def _files_of(resources: Resources) -> list[Path]:
    """The files that belong to the watchlist."""
    database = resources.database.path
    if database is None:
        return []
    vault = vault_path(database)
    assert vault is not None
    names = [database, *(database.with_name(database.name + end) for end in ("-wal", "-shm", "-journal"))]
    names += [vault, vault.with_name(vault.name + "-journal"), gallery_path(database)]
    return [path for path in names if path.exists()]
