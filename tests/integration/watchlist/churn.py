"""A process that changes a watchlist at random until it is killed, forked from one that has imported everything.

It says on a pipe what it begins and what has returned. What had returned must hold after any kill; what had only begun
may have taken effect or not, but nothing in between.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facematch.index.exact import ExactIndex
from facematch.testing import FakeAnalyzer, SyntheticFace, synthetic_consent, synthetic_picture
from facematch.watchlist import Watchlist

NAMES = tuple(f"person-{number}" for number in range(5))
"""The subjects; person ``n`` of the synthetic people is the only face of the ``n``-th."""


def open_watchlist(path: Path) -> Watchlist:
    """The watchlist of a test, opened quickly."""
    return Watchlist.open(f"sqlite:///{path}", actor="ana", analyzer=FakeAnalyzer(), index=ExactIndex)


@dataclass
class Known:
    """What the reports of killed processes say, by subject: ``active``, ``withdrawn`` or ``gone``.

    Attributes:
        states: The last state that a call returned for.
        begun: What was under way when the process died: the verb and the subject, or ``None``.
        done: Number of calls that returned.
    """

    states: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NAMES, "gone"))
    begun: tuple[str, str] | None = None
    done: int = 0


def churn_until_killed(path: Path, seed: int, known: Known, calls: int, after_s: float) -> Known:
    """Fork a process that churns, kill it after a while, and return what it said.

    Args:
        path: The database.
        seed: Seed of its choices.
        known: What is known so far; it begins from there.
        calls: Number of its calls that return first.
        after_s: Seconds from there to its end by SIGKILL.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _churn(path, random.Random(seed), dict(known.states), writing)
        finally:
            os._exit(3)  # it is killed before it comes here, unless something failed
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        first = stream.readline()  # it has opened the watchlist
        assert first, "the process failed before it began"
        lines = [stream.readline() for _ in range(2 * calls)]  # begun, returned
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        lines += stream.read().split(b"\n")
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the process failed: {[json.loads(line) for line in lines[-3:] if line]}"
    found = Known(dict(known.states), done=known.done)
    for line in lines[:-1]:  # the last is cut off or empty
        report = json.loads(line)
        if report["returned"]:
            found.done += 1
            found.begun = None
            if report["state"] is not None:
                found.states[report["subject"]] = report["state"]
        else:
            found.begun = (report["verb"], report["subject"])
    return found


def _churn(path: Path, rng: random.Random, states: dict[str, str], writing: int) -> None:
    def say(**report: Any) -> None:
        os.write(writing, json.dumps(report).encode() + b"\n")  # one write: whole, or not at all

    watchlist = open_watchlist(path)
    backup = path.with_name("backup")
    say(returned=True, verb="open", subject=NAMES[0], state=None)
    turn = 0
    while True:
        turn += 1
        number = rng.randrange(len(NAMES))
        name, state = NAMES[number], states[NAMES[number]]
        verbs = {"gone": ["enroll"], "active": ["withdraw", "erase", "more"], "withdrawn": ["erase", "enroll"]}[state]
        verb = rng.choice([*verbs, *verbs, "rotate", "renew_templates", "restore", "complain", "sweep"])
        if verb == "complain" and state != "active":
            verb = "sweep"
        say(returned=False, verb=verb, subject=name)
        after: str | None = None
        if verb in {"enroll", "more"}:
            pictures = [synthetic_picture([SyntheticFace(number, rng.randrange(1, 10**9))]) for _ in range(2)]
            watchlist.enroll(name, pictures, consent=synthetic_consent(name))
            after = "active"
        elif verb == "withdraw":
            watchlist.withdraw(name, reason="left")
            after = "withdrawn"
        elif verb == "erase":
            watchlist.erase(name, reason="asked")
            after = "gone"
        elif verb == "rotate":
            watchlist.keys.rotate()
        elif verb == "renew_templates":
            watchlist.keys.renew_templates()
        elif verb == "complain":
            watchlist.rights.decide_complaint(
                watchlist.rights.open_complaint(name, ground="not me").complaint_id, upheld=False
            )
        elif verb == "sweep":
            watchlist.apply_retention()
        else:
            backup.unlink(missing_ok=True)
            watchlist.backup(backup)
            watchlist.restore(backup)
        if after is not None:
            states[name] = after
        say(returned=True, verb=verb, subject=name, state=after)
