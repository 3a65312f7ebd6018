"""Batched appends to the audit log beside a plain insert of the same rows, equal roots first."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pymerkle import InmemoryTree
from sqlalchemy import select
from timing import median_ratio

from facematch.governance import AuditAction, AuditOutcome, AuditRecord, utc_now
from facematch.governance.keys.signing import SigningKey
from facematch.storage.audit_log import AuditLog, TableAuditWriter
from facematch.storage.database import Database
from facematch.storage.schema import audit
from tests.integration.watchlist.audit_support import PlainAccess
from tests.unit.watchlist.support import AUTHORIZATION

BATCH = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = SigningKey(bytes(range(32)))


def search(number: int) -> AuditRecord:
    """An entry as a search leaves it."""
    details = {
        "purpose": "site-access",
        "site": "store-12",
        "probes": 2,
        "candidates": ["2f0c5a52-4b3e-4b57-9d0e-0d2f5a1f7b11"],
        "threshold": 0.363,
        "gallery_size": 1000,
        "generation": number,
    }
    when = START + timedelta(seconds=number)
    return AuditRecord(when, "ana", AuditAction.IDENTIFY, AuditOutcome.DONE, details=details)


def test_append_of_10_000_entries(benchmark: Any, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'w.db'}")
    records = [search(number) for number in range(BATCH)]

    def append() -> None:
        with database.write(AUTHORIZATION) as connection:
            TableAuditWriter(connection, KEY).append_many(records)

    append()
    log = AuditLog(PlainAccess(database, utc_now), KEY)
    oracle = InmemoryTree(algorithm="sha256")
    oracle.append_entries(entry.canonical() for entry in log.entries())
    start = time.perf_counter()
    result = log.verify().require()
    benchmark.extra_info["verified_entries_per_s"] = round(BATCH / (time.perf_counter() - start))
    assert (result.size, result.root) == (BATCH, oracle.get_root())

    with database.write(AUTHORIZATION) as connection:
        connection.exec_driver_sql(
            "CREATE TABLE plain (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, actor TEXT NOT NULL, "
            "action TEXT NOT NULL, outcome TEXT NOT NULL, subject_ref TEXT, details TEXT NOT NULL, sealed TEXT, "
            "nonce TEXT NOT NULL)"
        )
        connection.exec_driver_sql("CREATE INDEX ix_plain ON plain (subject_ref)")
        rows = [tuple(row)[1:] for row in connection.execute(select(audit))]
    numbers = itertools.count(1)

    def insert_plainly() -> None:
        numbered = [(next(numbers), *row) for row in rows]
        with database.write(AUTHORIZATION) as connection:
            connection.exec_driver_sql("INSERT INTO plain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", numbered)

    benchmark.extra_info["times_slower_than_a_plain_insert"] = 1 / median_ratio(insert_plainly, append)
    benchmark(append)
