"""Proofs that can be kept and checked apart from the log (RFC 9162, sections 2.1.3 and 2.1.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from facematch.errors import InvalidArgument
from facematch.governance.audit.verifier import leaf_hash, verify_consistency, verify_inclusion

__all__ = ["ConsistencyProof", "InclusionProof"]

_HINT = "pass what to_dict() gave, unchanged"


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Proves that one entry is in the log.

    Attributes:
        seq: Number of the entry, from 1.
        size: Number of entries of the log that it is proved against.
        path: Hashes from the leaf to the root, 32 bytes each.
        entry: Canonical bytes of the entry.
    """

    seq: int
    size: int
    path: tuple[bytes, ...]
    entry: bytes

    def verify(self, root: bytes) -> bool:
        """Whether it proves the entry under ``root``, which must come from a head or checkpoint of ``size``."""
        return verify_inclusion(leaf_hash(self.entry), self.seq - 1, self.size, self.path, root)

    def to_dict(self) -> dict[str, Any]:
        """The proof as plain data, hashes in hexadecimal."""
        path = [step.hex() for step in self.path]
        return {"seq": self.seq, "size": self.size, "path": path, "entry": self.entry.decode()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The proof from plain data.

        Raises:
            InvalidArgument: It is no inclusion proof.
        """
        try:
            return cls(int(data["seq"]), int(data["size"]), _path(data["path"]), data["entry"].encode())
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InvalidArgument("not an inclusion proof", hint=_HINT) from error


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Proves that the log of today begins with the log of an earlier day.

    Attributes:
        old_size: Number of entries then.
        new_size: Number of entries now.
        path: Hashes, 32 bytes each.
    """

    old_size: int
    new_size: int
    path: tuple[bytes, ...]

    def verify(self, old_root: bytes, new_root: bytes) -> bool:
        """Whether it proves that the log with ``new_root`` begins with the log with ``old_root``."""
        return verify_consistency(self.old_size, old_root, self.new_size, new_root, self.path)

    def to_dict(self) -> dict[str, Any]:
        """The proof as plain data, hashes in hexadecimal."""
        return {"old_size": self.old_size, "new_size": self.new_size, "path": [step.hex() for step in self.path]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The proof from plain data.

        Raises:
            InvalidArgument: It is no consistency proof.
        """
        try:
            return cls(int(data["old_size"]), int(data["new_size"]), _path(data["path"]))
        except (KeyError, ValueError, TypeError) as error:
            raise InvalidArgument("not a consistency proof", hint=_HINT) from error


def _path(steps: Any) -> tuple[bytes, ...]:
    path = tuple(bytes.fromhex(step) for step in steps)
    if any(len(step) != 32 for step in path):
        raise ValueError("a hash has 32 bytes")
    return path
