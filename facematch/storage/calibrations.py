"""Calibration artifacts in the database: the latest rules, the earlier ones stay as history."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from facematch.errors import CalibrationInvalid, DatabaseCorrupt
from facematch.governance import to_microseconds
from facematch.matching import Calibration
from facematch.storage.schema import calibrations

__all__ = ["add_calibration", "current_calibration"]


def current_calibration(connection: Connection) -> Calibration | None:
    """The artifact in force, or ``None`` where none was ever set.

    Raises:
        DatabaseCorrupt: The stored artifact is damaged.
    """
    document = connection.execute(
        select(calibrations.c.document).order_by(calibrations.c.id.desc()).limit(1)
    ).scalar_one_or_none()
    if document is None:
        return None
    try:
        return Calibration.from_json(str(document), origin="the stored calibration")
    except CalibrationInvalid as error:
        raise DatabaseCorrupt(error.message, hint="restore a backup") from error


def add_calibration(connection: Connection, calibration: Calibration, actor: str, now: datetime) -> None:
    """Store an artifact; it is the one in force from then on, the earlier ones stay as history."""
    connection.execute(
        insert(calibrations).values(
            digest=calibration.digest, document=calibration.to_json(), actor=actor, set_at=to_microseconds(now)
        )
    )
