"""Calibration of a watchlist: the artifact in force, and putting another one in force."""

from __future__ import annotations

from pathlib import Path

from facematch.errors import InvalidArgument
from facematch.gallery.decision import check_calibration
from facematch.governance import AuditAction
from facematch.matching import Calibration
from facematch.storage.calibrations import add_calibration
from facematch.watchlist.session import Session

__all__ = ["set_calibration"]


def set_calibration(session: Session, source: str | Path | Calibration) -> Calibration:
    """Load an artifact and put it in force; see :meth:`facematch.watchlist.Watchlist.set_calibration`."""
    with session.operation(AuditAction.SET_CALIBRATION) as operation:
        if not isinstance(source, str | Path | Calibration):
            raise InvalidArgument(f"a calibration or the path of one is expected, got {type(source).__name__}")
        calibration = source.checked() if isinstance(source, Calibration) else Calibration.load(Path(source))
        with operation.write() as tx:
            check_calibration(calibration, operation.resources.subjects.contract(tx.connection))
            add_calibration(tx.connection, calibration, tx.actor, tx.now)
            generation = tx.begin_generation()
            tx.audit(
                {
                    "calibration": calibration.digest,
                    "threshold": calibration.threshold,
                    "target_fpir": calibration.target_fpir,
                    "generation": generation,
                }
            )
    return calibration
