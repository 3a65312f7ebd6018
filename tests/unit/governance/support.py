from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def papers_in(folder: Path) -> dict[str, Any]:
    """Arguments of ``Consent.given`` whose files lie in ``folder``."""
    (folder / "notice-en.txt").write_bytes(b"what we do")
    (folder / "form.pdf").write_bytes(b"signed")
    return {
        "subject_id": "s-0042",
        "purposes": ["site-access"],
        "notice": folder / "notice-en.txt",
        "language": "en",
        "evidence": folder / "form.pdf",
        "adult_attested": True,
        "valid_for": 365 * DAY,
        "now": NOW,
    }
