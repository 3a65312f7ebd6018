"""Verify an export of the audit log with Python 3.11 and the package ``cryptography``; nothing else is needed.

::

    python verify.py FOLDER [--checkpoint FILE] [--public-key FILE-OR-HEX]

Exit code 0: everything fits. 1: something does not, and every place is named. 2: it could not be checked.

The tree is that of RFC 9162, section 2.1: leaf = SHA-256(0x00 || entry), node = SHA-256(0x01 || left || right).
Checkpoints are C2SP signed notes (c2sp.org/tlog-checkpoint) with Ed25519 signatures (RFC 8032).

One file on purpose, so that it can be read and carried as one; the rest of the package imports its functions from here.

What it cannot find: an export made from an older state of the log that was put back as a whole, with the signed
head of that time. Only a checkpoint that was kept elsewhere (``--checkpoint``) finds that.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import hashlib
import io
import json
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

AUTO_CHECKPOINT = 1000
"""The log writes a checkpoint whenever its size passes a multiple of this."""
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""

FORMAT = "facematch-audit-export/1"
"""Names the layout of an export, in its ``head.json``."""
OUTSIDE = "outside checkpoint"
"""Place of what is wrong with a checkpoint that was kept elsewhere."""

_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}")
_KEEP = 256  # entries that are kept to find out where they belong
_SHOWN = 200  # findings that are listed one by one
_LOST = bytes(32)  # stands for a leaf of which nothing is left


class Malformed(ValueError):
    """A text or a proof is not in its format."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not fit.

    Attributes:
        place: Where: ``entry 5``, ``node 3/1`` (level/position), ``checkpoint 2``, ``head``, a file.
        problem: What is wrong with it.
    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\1" + left + right).digest()


class CompactRange:
    """Roots of the perfect subtrees of a Merkle tree, which suffice to append to it.

    Args:
        size: Number of leaves so far.
        peaks: Roots of the perfect subtrees, the largest first; one for every bit of ``size``.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)
        if len(self.peaks) != size.bit_count():
            raise Malformed(f"a tree of {size} leaves has {size.bit_count()} peaks, got {len(self.peaks)}")

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append a leaf hash; returns the nodes that are complete now, as (level, position, hash)."""
        level, position, node = 0, self.size, leaf
        nodes = [(0, position, leaf)]
        while position & 1:
            level, position, node = level + 1, position >> 1, node_hash(self.peaks.pop(), node)
            nodes.append((level, position, node))
        self.peaks.append(node)
        self.size += 1
        return nodes

    def root(self) -> bytes:
        """Root of the whole tree."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root of the tree over leaf hashes."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` proves that ``leaf`` is leaf ``index`` (from 0) of ``size`` (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, node = index, size - 1, leaf
    for step in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            node = node_hash(step, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and node == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that a tree of ``new`` leaves begins with that of ``old`` (RFC 9162, 2.1.4.2)."""
    if old in {0, new}:
        return not path and old_root == (new_root if old == new else EMPTY_ROOT)
    if not 0 < old < new or not path:
        return False
    steps = list(path) if old & (old - 1) else [old_root, *path]
    fn, sn = old - 1, new - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            first, second = node_hash(step, first), node_hash(step, second)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, step)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and first == old_root and second == new_root


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is genuine."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def head_message(origin: str, size: int, root: bytes, pruned: int) -> bytes:
    """Signed message of a log's head. An origin has no spaces, so no checkpoint begins like this."""
    return f"facematch audit head v1\n{origin}\n{size}\n{base64.b64encode(root).decode()}\n{pruned}\n".encode()


def key_hash(name: str, public_key: bytes) -> bytes:
    """The four bytes that name an Ed25519 key in a signed note (c2sp.org/signed-note)."""
    return hashlib.sha256(name.encode() + b"\n\x01" + public_key).digest()[:4]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Signed statement of the size and root of a log.

    Attributes:
        origin: Name of the log.
        size: Number of entries.
        root: Root of the tree over them, 32 bytes.
        time: When it was made, UTC.
        number: Which checkpoint of the log it is, from 1.
        note: The whole text, to be kept somewhere else.
    """

    origin: str
    size: int
    root: bytes
    time: datetime
    number: int
    note: str

    @property
    def text(self) -> bytes:
        """Signed text."""
        return (self.note.rpartition("\n\n")[0] + "\n").encode()

    def signed_by(self, public_keys: Iterable[bytes]) -> bool:
        """Whether one of the keys signed it."""
        names = {key_hash(self.origin, key): key for key in public_keys}
        for line in self.note.rpartition("\n\n")[2].splitlines():
            name, _, encoded = line.removeprefix("\u2014 ").partition(" ")
            blob = _unbase64(encoded)
            key = names.get(blob[:4]) if name == self.origin else None
            if key is not None and verify_signature(key, blob[4:], self.text):
                return True
        return False


def checkpoint_text(origin: str, size: int, root: bytes, time: datetime, number: int) -> str:
    """The part of a checkpoint that is signed."""
    if not _ORIGIN.fullmatch(origin):
        raise Malformed("an origin has letters, digits, dots, colons, slashes and hyphens, and no spaces")
    moment = time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\ntime {moment}Z\nnumber {number}\n"


def parse_checkpoint(note: str) -> Checkpoint:
    """Read a checkpoint; its signature is not looked at.

    Raises:
        Malformed: It is not in the format.
    """
    text, _, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    try:
        origin, size, root, time, number = lines
        moment = datetime.fromisoformat(time.removeprefix("time "))
        made = Checkpoint(origin, int(size), _unbase64(root), moment, int(number.removeprefix("number ")), note)
        exact = checkpoint_text(origin, made.size, made.root, moment, made.number) == text + "\n"
    except (ValueError, OverflowError):
        raise Malformed("not a checkpoint of an audit log") from None
    signed = signatures.endswith("\n") and all(line.startswith("\u2014 ") for line in signatures[:-1].split("\n"))
    if not exact or not signed or len(made.root) != 32 or made.size < 0 or made.number < 1:
        raise Malformed("not a checkpoint of an audit log")
    return made


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64") from None


def ranges(numbers: Iterable[int]) -> Iterator[str]:
    """Rising numbers as ``3`` or ``5 to 9``."""
    run: list[int] = []
    for number in [*numbers, None]:
        if run and number != run[1] + 1:
            yield f"{run[0]}" if run[0] == run[1] else f"{run[0]} to {run[1]}"
            run = []
        if number is not None:
            run = [run[0] if run else number, number]


def span(what: str, first: int, last: int) -> list[str]:
    """The places from ``first`` to ``last``; none where ``last`` is smaller."""
    return [] if first > last else [f"{what} {first}" if first == last else f"{what} {first} to {last}"]


def places(numbers: Iterable[int], what: str) -> Iterator[str]:
    """Rising numbers as ``entry 3`` or ``entry 5 to 9``."""
    return (f"{what} {part}" for part in ranges(numbers))


class LogCheck:
    """Goes through a log in order and compares every entry with the leaf hash that was stored for it.

    Args:
        anchors: What was signed, as (size, root), the head last; the largest of them decides what is right.
        pruned: The content of so many entries at the beginning was deleted.
    """

    def __init__(self, anchors: Iterable[tuple[int, bytes]], pruned: int = 0) -> None:
        self._anchors, self._pruned = sorted(anchors, key=lambda anchor: anchor[0]), pruned
        self._sizes = {size for size, _ in self._anchors}
        self._by_leaf, self._by_entry = CompactRange(), CompactRange()  # the second only once they differ
        self._leaf_roots, self._entry_roots = {0: EMPTY_ROOT}, {0: EMPTY_ROOT}
        self._absent: list[int] = []
        self._returned: list[int] = []
        self._leafless: list[int] = []
        self._odd: list[int] = []
        self._kept: dict[int, tuple[bytes, bytes]] = {}
        self._vacant: dict[bytes, int] = {}
        self._announced = 0
        self.lost: int | None = None  # the first entry of which neither content nor hash is left
        self.noted: dict[int, int] = {}
        self.leaves_are_right, self.decided = True, False

    @property
    def size(self) -> int:
        """Number of entries so far."""
        return self._by_leaf.size

    def root(self) -> bytes:
        """Root of the tree so far, over what is right."""
        return (self._by_leaf if self.leaves_are_right else self._by_entry).root()

    def root_at(self, size: int) -> bytes | None:
        """Root of the first ``size`` entries, for the sizes of the anchors."""
        return (self._leaf_roots if self.leaves_are_right else self._entry_roots).get(size)

    def add(self, entry: bytes | None, leaf: bytes | None) -> tuple[list[tuple[int, int, bytes]], ...]:
        """Take the next entry and its stored leaf hash; returns the nodes by the leaves and by the entries."""
        seq = self.size + 1
        found = None if entry is None else leaf_hash(entry)
        if (entry is None) != (seq <= self._pruned):
            (self._absent if entry is None else self._returned).append(seq)
            if entry is None and leaf is not None and len(self._vacant) < _KEEP:
                self._vacant[leaf] = seq
        if leaf is None:
            self._leafless.append(seq)
            self.lost = seq if entry is None and self.lost is None else self.lost
        elif entry is not None and found != leaf:
            if not self._odd:
                self._by_entry = CompactRange(self.size, self._by_leaf.peaks)
            self._odd.append(seq)
            if len(self._kept) < _KEEP:
                self._kept[seq] = (entry, leaf)
        elif entry is not None and entry.startswith((b'{"action":"prune_audit"', b'{"action":"checkpoint"')):
            self._take_note(seq, entry)
        by_leaf = self._by_leaf.append(leaf or found or _LOST)
        by_entry = self._by_entry.append(found or leaf or _LOST) if self._odd else by_leaf
        if seq in self._sizes:
            self._leaf_roots[seq] = self._by_leaf.root()
            self._entry_roots[seq] = self._by_entry.root() if self._odd else self._leaf_roots[seq]
        return by_leaf, by_entry

    def finish(self) -> list[Finding]:
        """Findings, once everything was added."""
        known = self.size if self.lost is None else self.lost - 1
        within = [anchor for anchor in self._anchors if anchor[0] <= known]
        size, root = within[-1] if within else (0, EMPTY_ROOT)
        self.leaves_are_right = self._leaf_roots[size] == root or self._entry_roots[size] != root
        decided = self.decided = bool(within) and self.root_at(size) == root
        found = [Finding(place, "is missing") for place in places(self._absent, "entry")]
        found += [Finding(place, "is there although it was pruned") for place in places(self._returned, "entry")]
        found += [Finding(place, "has no leaf hash in the tree") for place in places(self._leafless, "entry")]
        if not decided:
            found += [Finding(place, "does not fit its leaf hash") for place in places(self._odd, "entry")]
        elif self.leaves_are_right:
            found += self._changed()
        else:
            found += [Finding(f"node 0/{seq - 1}", f"is not the leaf hash of entry {seq}") for seq in self._odd]
        if self._announced < self._pruned:
            lost = span("entry", self._announced + 1, self._pruned)
            found += [Finding(place, "is gone, but no entry says that it was pruned") for place in lost]
        elif self._announced > self._pruned:
            found.append(Finding("head", f"says {self._pruned} entries were pruned; an entry says {self._announced}"))
        if within and not decided:
            fits = [at for at, signed in within if self.root_at(at) == signed]
            wrong = min(at for at, signed in within if self.root_at(at) != signed)
            start = max((at for at in fits if at < wrong), default=0) + 1
            found += [
                Finding(p, "does not give the root that was signed") for p in places(range(start, wrong + 1), "entry")
            ]
        return found

    def _changed(self) -> list[Finding]:
        """Changed entries by name; where the content was written under another number, that number."""
        homes = {**self._vacant, **{leaf: seq for seq, (_, leaf) in self._kept.items()}}
        moved = {}
        for seq, (entry, _) in self._kept.items():
            head, _, tail = entry.rpartition(b',"seq":')
            rest = tail.partition(b",")[2]
            for home in homes.values():
                if homes.get(leaf_hash(b'%s,"seq":%d,%s' % (head, home, rest))) == home != seq:
                    moved[seq] = home
        found = [
            Finding(p, "is not what was written") for p in places([s for s in self._odd if s not in moved], "entry")
        ]
        lost = set(self._kept) - set(moved.values()) - set(self._odd).difference(moved)
        for seq, home in moved.items():
            found.append(Finding(f"entry {seq}", f"is what was written as entry {home}: reordered"))
        return found + [Finding(p, "what was written here is gone") for p in places(sorted(lost), "entry")]

    def _take_note(self, seq: int, entry: bytes) -> None:
        """Remember what an entry says about pruning and checkpoints."""
        try:
            note = json.loads(entry)
            until, number = note["details"].get("until_seq", 0), note["details"].get("checkpoint", 0)
            if note["outcome"] == "done" and note["action"] == "prune_audit":
                self._announced = max(self._announced, int(until))
            if note["outcome"] == "done" and number:
                self.noted[int(number)] = seq
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return


def read_checkpoints(
    notes: Iterable[tuple[int, str]], keys: Collection[bytes], origin: str
) -> tuple[dict[int, Checkpoint], list[Finding]]:
    """Read a log's own checkpoints, given as (number, note); returns the genuine ones by number, and findings."""
    genuine: dict[int, Checkpoint] = {}
    found, seen = [], set()
    for number, note in notes:
        seen.add(number)
        try:
            checkpoint = parse_checkpoint(note)
        except Malformed:
            found.append(Finding(f"checkpoint {number}", "is damaged"))
            continue
        if checkpoint.origin != origin or not checkpoint.signed_by(keys):
            found.append(Finding(f"checkpoint {number}", "is not signed by a key of this log"))
        elif checkpoint.number != number:
            found.append(Finding(f"checkpoint {number}", f"was made as checkpoint {checkpoint.number}"))
        else:
            genuine[number] = checkpoint
    gaps = sorted(set(range(1, max(seen, default=0))) - seen)
    return genuine, found + [Finding(place, "is missing") for place in places(gaps, "checkpoint")]


def compare_checkpoints(genuine: dict[int, Checkpoint], top: int, check: LogCheck) -> list[Finding]:
    """Compare a log's own checkpoints, numbered up to ``top``, with the log after :meth:`LogCheck.finish`."""
    found = [f for number, own in genuine.items() for f in compared(f"checkpoint {number}", own, check)]
    for number, seq in check.noted.items():
        if number > top:
            found.append(Finding(f"checkpoint {number}", f"is missing; entry {seq} says it was made"))
    due = check.size - check.size % AUTO_CHECKPOINT
    if due and all(own.size < due for own in genuine.values()):
        found.append(Finding("checkpoints", f"none covers {due} entries, although one was due"))
    return found


def compared(place: str, checkpoint: Checkpoint, check: LogCheck) -> list[Finding]:
    """Compare one genuine checkpoint with the log, after :meth:`LogCheck.finish`."""
    if checkpoint.size > check.size:
        return [Finding(place, f"covers {checkpoint.size} entries, the log has {check.size}: its end was cut off")]
    if check.lost is not None and check.lost <= checkpoint.size:
        return []  # its root cannot be computed; what is lost is named already
    if check.root_at(checkpoint.size) != checkpoint.root:
        return [Finding(place, f"has another root than the first {checkpoint.size} entries: the log was forked")]
    return []


def outside_checkpoint(note: str, keys: Collection[bytes], origin: str) -> tuple[Checkpoint | None, list[Finding]]:
    """Read a checkpoint that was kept elsewhere; ``None`` and a finding where it is not genuine."""
    try:
        checkpoint = parse_checkpoint(note)
    except Malformed as error:
        return None, [Finding(OUTSIDE, f"is {error}")]
    if checkpoint.origin != origin or not checkpoint.signed_by(keys):
        return None, [Finding(OUTSIDE, "is not signed by a key of this log")]
    return checkpoint, []


def listed(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, with a count in place of those beyond the first few hundred."""
    more = len(findings) - _SHOWN
    return (*findings[:_SHOWN], Finding("log", f"{more} more findings are not listed")) if more > 0 else tuple(findings)


@dataclass(frozen=True, slots=True)
class _Head:
    origin: str
    size: int
    root: bytes
    pruned: int
    key_id: str
    signature: bytes


def out_of_order(numbers: list[int]) -> list[int]:
    """The fewest numbers without which the others rise: those outside a longest rising sequence."""
    ends: list[int] = []  # the smallest last number of a rising sequence, by length
    lengths = []
    for number in numbers:
        at = bisect.bisect_left(ends, number)
        ends[at : at + 1] = [number]
        lengths.append(at)
    length, out = len(ends) - 1, []
    for number, at in zip(reversed(numbers), reversed(lengths), strict=True):
        if at == length:
            length -= 1
        else:
            out.append(number)
    return out[::-1]


class _Entries:
    """The lines of ``entries.jsonl`` by the number in them; only their places in the file are held."""

    def __init__(self, stream: BinaryIO) -> None:
        self.findings: list[Finding] = []
        self._stream, self._offsets = stream, dict[int, int]()
        numbers: list[int] = []
        offset = 0
        for at, line in enumerate(stream, start=1):
            digits = line.rpartition(b',"seq":')[2].partition(b",")[0]
            if not line.endswith(b"\n") or not digits.isdigit() or len(digits) > 15:
                self.findings.append(Finding(f"entries.jsonl line {at}", "is not a whole entry"))
            elif (number := int(digits)) in self._offsets:
                self.findings.append(Finding(f"entry {number}", f"stands a second time in line {at}: inserted"))
            else:
                self._offsets[number] = offset
                numbers.append(number)
            offset += len(line)
        for number in out_of_order(numbers):
            self.findings.append(Finding(f"entry {number}", "stands in another place of the file: reordered"))

    def take(self, seq: int) -> bytes | None:
        """The entry of that number, once."""
        offset = self._offsets.pop(seq, None)
        if offset is None:
            return None
        self._stream.seek(offset)
        return self._stream.readline()[:-1]

    def left(self) -> list[int]:
        """Numbers of the entries that were not taken."""
        return sorted(self._offsets)


def verify_export(folder: Path, *, keys: Collection[bytes] = (), outside: str | None = None) -> tuple[Finding, ...]:
    """Verify the export in ``folder``.

    Args:
        folder: The export.
        keys: The log's public keys, 32 bytes each, from a source that is trusted; default those in the export.
        outside: A checkpoint that was kept elsewhere.

    Returns:
        Everything that does not fit.
    """
    try:
        data = json.loads((folder / "head.json").read_bytes())
        root, signature = bytes.fromhex(data["root"]), _unbase64(data["signature"])
        head = _Head(data["origin"], data["size"], root, data["pruned"], data["key_id"], signature)
        message = head_message(head.origin, head.size, head.root, head.pruned)
        if data["format"] != FORMAT or not 0 <= head.pruned <= head.size:
            raise Malformed("of another format")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return (Finding("head.json", "is missing or damaged, so nothing could be checked"),)
    found: list[Finding] = []
    try:
        listing = json.loads((folder / "keys.json").read_bytes())
        own = {str(key["key_id"]): bytes.fromhex(key["public_key"]) for key in listing}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        own = {}
        found.append(Finding("keys.json", "is missing or damaged"))
    keys = keys or set(own.values())
    genuine = any(verify_signature(key, head.signature, message) for key in keys)
    if not genuine:
        found.append(Finding("head", "is not signed by a key of this log"))
    notes = _notes(folder, found)
    checkpoints, problems = read_checkpoints(sorted(notes.items()), keys, head.origin)
    found += problems
    kept, problems = (None, []) if outside is None else outside_checkpoint(outside, keys, head.origin)
    found += problems
    anchors = [(own.size, own.root) for own in checkpoints.values()]
    anchors += [(kept.size, kept.root)] if kept is not None else []
    anchors += [(head.size, head.root)] if genuine else []
    hashes = [*_hashes(folder, "pruned.txt", found), *_hashes(folder, "leaves.txt", found)]
    check = LogCheck(anchors, head.pruned)
    with _entries(folder, found) as stream:
        entries = _Entries(stream)
        found += entries.findings
        size = min(head.size, max(len(hashes), *entries.left(), 0))
        for seq in range(1, size + 1):
            check.add(entries.take(seq), hashes[seq - 1] if seq <= len(hashes) else None)
    found += [Finding(place, "is missing") for place in span("entry", size + 1, head.size)]
    found += [Finding(place, "is not in the tree: inserted") for place in places(entries.left(), "entry")]
    if len(hashes) > head.size:
        found.append(Finding("leaves.txt", f"has {len(hashes) - head.size} leaf hashes too many"))
    found += check.finish() + compare_checkpoints(checkpoints, max(notes, default=0), check)
    found += [] if kept is None else compared(OUTSIDE, kept, check)
    return listed(found)


def _entries(folder: Path, found: list[Finding]) -> BinaryIO:
    try:
        return (folder / "entries.jsonl").open("rb")
    except OSError:
        found.append(Finding("entries.jsonl", "is missing"))
        return io.BytesIO()


def _hashes(folder: Path, name: str, found: list[Finding]) -> list[bytes | None]:
    hashes: list[bytes | None] = []
    try:
        lines = (folder / name).read_text("ascii").splitlines()
    except (OSError, ValueError):
        found.append(Finding(name, "is missing or damaged"))
        return hashes
    for at, line in enumerate(lines, start=1):
        good = re.fullmatch("[0-9a-f]{64}", line)
        hashes.append(bytes.fromhex(line) if good else None)
        if not good:
            found.append(Finding(f"{name} line {at}", "is not a hash"))
    return hashes


def _notes(folder: Path, found: list[Finding]) -> dict[int, str]:
    notes = {}
    for path in sorted((folder / "checkpoints").glob("*")):
        try:
            notes[int(path.stem)] = path.read_bytes().decode()
        except (OSError, ValueError):
            found.append(Finding(f"checkpoints/{path.name}", "is not a checkpoint of an audit log"))
    return notes


def _public_key(given: str) -> bytes:
    """A key of 32 bytes from hex, or from a file with hex or with the bytes themselves."""
    text = given
    if not re.fullmatch("[0-9a-fA-F]{64}", given):
        content = Path(given).read_bytes()
        if len(content) == 32:
            return content
        text = content.decode().strip()
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise Malformed(f"{given!r} holds no Ed25519 public key of 64 hexadecimal digits")
    return bytes.fromhex(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the export named on the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify an export of the audit log.")
    parser.add_argument("folder", type=Path, help="the export")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that was kept elsewhere")
    parser.add_argument(
        "--public-key", action="append", default=[], help="the log's public key, 64 hex digits or a file"
    )
    options = parser.parse_args(arguments)
    try:
        verify_signature(bytes(32), bytes(64), b"")  # fails here where the package is missing
        keys = {_public_key(given) for given in options.public_key}
        outside = None if options.checkpoint is None else options.checkpoint.read_bytes().decode()
        if not options.folder.is_dir():
            raise Malformed(f"{options.folder} is not a folder")
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"cannot verify: {error}\n")
        return 2
    findings = verify_export(options.folder, keys=keys, outside=outside)
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    if not keys:
        sys.stdout.write("note: the keys are those in the export; give --public-key from a source you trust\n")
    if outside is None:
        sys.stdout.write("note: without --checkpoint, an older state put back as a whole is not found\n")
    sys.stdout.write("the log does NOT verify\n" if findings else "the log verifies\n")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
