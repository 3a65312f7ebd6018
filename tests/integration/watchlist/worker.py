"""A process with a watchlist of its own, told what to do by messages that it answers one by one."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from facematch.errors import FacematchError, Suspended
from facematch.governance.keys import FileKeys
from facematch.storage.audit_log import TableAuditWriter
from facematch.storage.consents import ConsentTable
from facematch.storage.database import Database
from facematch.storage.key_vault import KeyVault
from facematch.storage.subjects import SubjectTable
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist


def _picture(person: int, variant: int = 0) -> Any:
    return synthetic_picture([SyntheticFace(person, variant)])


def _open(path: str) -> Watchlist:
    return Watchlist.open(f"sqlite:///{path}", actor="worker", analyzer=FakeAnalyzer())


def _search(watchlist: Watchlist, person: int) -> dict[str, Any]:
    start = time.monotonic()
    result = watchlist.identify(_picture(person), purpose="site-access")
    end = time.monotonic()
    found = [candidate.subject_id for candidate in result.candidates]
    return {"found": found, "generation": result.generation, "start": start, "end": end}


def _loop(watchlist: Watchlist, person: int, out: Path, stop: Path) -> dict[str, Any]:
    """Search until a file appears; every answer, or the refusal, goes into a line."""
    count = 0
    with out.open("a", encoding="utf-8", buffering=1) as stream:
        while not stop.exists():
            start = time.monotonic()
            try:
                line = _search(watchlist, person)
            except Suspended as error:
                line = {"found": [], "code": error.code, "start": start, "end": time.monotonic()}
            stream.write(json.dumps(line) + "\n")
            count += 1
    return {"searches": count}


_OWNERS: dict[str, Any] = {
    owner.__name__: owner for owner in (ConsentTable, Database, FileKeys, SubjectTable, TableAuditWriter, KeyVault)
}


def _die_in(point: str) -> None:
    """Make this process kill itself, as abruptly as possible, when it comes to a step, or has just done it."""
    owner, name = _OWNERS[point.rsplit(maxsplit=1)[-1].split(".", maxsplit=1)[0]], point.rsplit(".", maxsplit=1)[-1]
    real = getattr(owner, name)

    def die(*args: Any, **options: Any) -> Any:
        if point.startswith("after "):
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)


def serve(connection: Connection) -> None:
    """Answer messages until the other end is closed."""
    watchlist: Watchlist | None = None
    actions: dict[str, Callable[[dict[str, Any]], Any]] = {
        "search": lambda m: _search(_need(watchlist), m["person"]),
        "enroll": lambda m: (
            _need(watchlist)
            .enroll(m["subject"], _picture(m["person"]), consent=synthetic_consent(m["subject"]))
            .generation
        ),
        "withdraw": lambda m: _need(watchlist).withdraw(m["subject"], reason="told to").generation,
        "erase": lambda m: _need(watchlist).erase(m["subject"], reason="told to").generation,
        "subjects": lambda _: [record.subject_id for record in _need(watchlist).subjects.list()],
        "loop": lambda m: _loop(_need(watchlist), m["person"], Path(m["out"]), Path(m["stop"])),
        "rotate": lambda _: _need(watchlist).keys.rotate().provider_key,
        "renew_templates": lambda _: _need(watchlist).keys.renew_templates().rotation,
        "suspend": lambda _: _need(watchlist).suspensions.add(reason="told to").suspension_id,
        "resume": lambda m: _need(watchlist).suspensions.lift(m["number"]).lifted,
        "complain": lambda m: _need(watchlist).rights.open_complaint(m["subject"], ground="told to").complaint_id,
        "decide": lambda m: _need(watchlist).rights.decide_complaint(m["number"], upheld=False).state,
        "die_in": lambda m: _die_in(m["point"]),
    }
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        try:
            if message["op"] == "open":
                if watchlist is not None:
                    watchlist.close()
                watchlist = _open(message["path"])
                answer: Any = len(watchlist.subjects.list())
            else:
                answer = actions[message["op"]](message)
        except FacematchError as error:
            connection.send({"error": error.code, "message": str(error)})
        else:
            connection.send({"ok": answer})


def _need(watchlist: Watchlist | None) -> Watchlist:
    assert watchlist is not None
    return watchlist
