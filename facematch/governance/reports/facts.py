"""Live configuration of a watchlist as plain values, read at one moment: the source of every report.

No name of a subject is in here, no template and no score. ``None`` means that it is not stated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from facematch.governance.policy import PolicyVersion
from facematch.governance.zones import Zone

__all__ = [
    "AuditFacts",
    "ComplaintFacts",
    "Configuration",
    "ConsentFacts",
    "KeyFacts",
    "ModelFacts",
    "NoticeFacts",
    "Party",
    "SuspensionFacts",
    "Tally",
    "TestedThreshold",
    "ZoneFacts",
    "tallies",
]


@dataclass(frozen=True, slots=True)
class Tally:
    """Count of one stated value.

    Attributes:
        name: What; ``None`` where nothing was stated.
        count: In how many records.
    """

    name: str | None
    count: int


def tallies(counts: Mapping[str | None, int] | Iterable[tuple[str | None, int]]) -> tuple[Tally, ...]:
    """Tallies, the most frequent first, then by name, what was not stated last."""
    pairs = counts.items() if isinstance(counts, Mapping) else counts
    ordered = sorted(pairs, key=lambda pair: (pair[0] is None, -pair[1], pair[0] or ""))
    return tuple(Tally(name, count) for name, count in ordered)


@dataclass(frozen=True, slots=True)
class Party:
    """A controller as consent records name it.

    Attributes:
        name: Its name, or ``None``.
        contact: Where it can be reached, or ``None``.
        records: In how many consent records.
    """

    name: str | None
    contact: str | None
    records: int


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """A privacy notice that subjects were shown.

    Attributes:
        uri: Where it can be found.
        sha256: Digest of its bytes (hex).
        language: Its language, as a BCP 47 tag.
        records: In how many consent records.
    """

    uri: str
    sha256: str
    language: str
    records: int


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    """Contents of all consent records. All but ``states`` and ``overdue`` count only records in force.

    Attributes:
        in_force: Number of records in force.
        states: Records by state, all that are stored.
        overdue: Records whose time is over and which no sweep has marked as expired yet.
        controllers: Who decides why and how.
        notices: What subjects were shown.
        purposes: What for.
        lawful_bases: On which lawful basis.
        categories: Why subjects are on the list.
        personal_data: Categories of personal data.
        sources: Where pictures came from.
        sites: Where; ``every site`` where a record lists none.
        recipients: Who receives data; empty where no record names one.
        jurisdictions: Under which law, as codes after ISO 3166.
        storage_locations: Where the data is kept.
        retention: How long, in words.
        collection_methods: How consent was collected.
        withdrawal_methods: How it can be withdrawn.
        assessments: References of assessments.
        first_end: When the first of them ends, or ``None``.
        last_end: When the last of them ends, or ``None``.
    """

    in_force: int
    states: tuple[Tally, ...]
    overdue: int
    controllers: tuple[Party, ...]
    notices: tuple[NoticeFacts, ...]
    purposes: tuple[Tally, ...]
    lawful_bases: tuple[Tally, ...]
    categories: tuple[Tally, ...]
    personal_data: tuple[Tally, ...]
    sources: tuple[Tally, ...]
    sites: tuple[Tally, ...]
    recipients: tuple[Tally, ...]
    jurisdictions: tuple[Tally, ...]
    storage_locations: tuple[Tally, ...]
    retention: tuple[Tally, ...]
    collection_methods: tuple[Tally, ...]
    withdrawal_methods: tuple[Tally, ...]
    assessments: tuple[Tally, ...]
    first_end: datetime | None
    last_end: datetime | None


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """A camera zone that is open.

    Attributes:
        zone: What it is and on which grounds people who pass are searched.
        opened_at: Since when, UTC.
        opened_by: Who opened it.
    """

    zone: Zone
    opened_at: datetime
    opened_by: str


@dataclass(frozen=True, slots=True)
class SuspensionFacts:
    """A suspension that is not lifted.

    Attributes:
        site: The site; ``None`` for every site.
        where: The place in words.
        reason: Why.
        since: From when on, UTC.
        actor: Who suspended.
    """

    site: str | None
    where: str
    reason: str
    since: datetime
    actor: str


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """Identifiers and counts of the keys.

    Attributes:
        provider_key: Name of the key that locks the vault.
        data_keys: Number of subjects' data keys.
        rotation: Version of the rotation that templates are stored under.
        signing_key: Name of the key that signs.
        public_key: Its public part (hex).
    """

    provider_key: str
    data_keys: int
    rotation: int
    signing_key: str
    public_key: str


@dataclass(frozen=True, slots=True)
class TestedThreshold:
    """Tested threshold and its error rates.

    Attributes:
        threshold: Raw cosine in ``[-1, 1]``.
        rule: How a subject's score comes from its templates.
        error_kind: ``"FPIR"`` (a search of the whole list) or ``"FMR"`` (one comparison).
        target: The error rate that it was set for.
        data: The data in words.
        measured_at: ISO date.
        trials: Non-mated searches (one a person) or comparisons behind it.
        errors: How many of them returned a candidate; ``None`` where it is not recorded.
        upper: One-sided upper confidence bound of the error rate (Clopper-Pearson), or ``None``.
        confidence: Its level, or ``None``.
        gallery_size: Subjects in the tested gallery, or ``None``.
        templates: Templates a subject in it, or ``None``.
        digest: SHA-256 (hex) of the calibration artifact; ``None`` where the model pack's own threshold rules.
    """

    __test__ = False  # no test case, whatever pytest thinks of the name

    threshold: float
    rule: str
    error_kind: str
    target: float
    data: str
    measured_at: str
    trials: int
    errors: int | None = None
    upper: float | None = None
    confidence: float | None = None
    gallery_size: int | None = None
    templates: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Models that make the templates.

    Attributes:
        embedder: The embedding model in words; ``None`` before the first enrollment.
        contract: Digest of the embedding contract (model and preprocessing), likewise.
        dimension: Length of a template, likewise.
        parts: ``(what, which)`` of the model pack, with licenses; empty where it was not asked or could not be loaded.
        problem: Why it could not be loaded, or ``None``.
    """

    embedder: str | None
    contract: str | None
    dimension: int | None
    parts: tuple[tuple[str, str], ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """The audit log.

    Attributes:
        size: Number of entries, pruned ones included.
        root: Root of the tree over them (hex).
        pruned: How many of them have no content any more.
        checkpoints: Number of signed checkpoints in the database.
        latest_checkpoint: When the latest was made, or ``None``.
        actions: Entries by action and outcome, such as ``identify, done``.
    """

    size: int
    root: str
    pruned: int
    checkpoints: int
    latest_checkpoint: datetime | None
    actions: tuple[Tally, ...]


@dataclass(frozen=True, slots=True)
class ComplaintFacts:
    """Complaints by what became of them."""

    waiting: int
    upheld: int
    dismissed: int


@dataclass(frozen=True, slots=True)
class Configuration:
    """Configuration of a watchlist at one moment.

    Attributes:
        made_at: The moment, UTC.
        made_by: Who asks.
        version: Version of facematch.
        watchlist_id: Random id of the watchlist.
        generation: The database's generation.
        subjects: Subjects by state.
        searchable: Subjects with a consent in force and an approved template.
        templates: Templates by state.
        consents: What the consent records say.
        zones: The zones that are open.
        policy: The policy in force.
        roles: Actors by role.
        suspensions: The suspensions that are not lifted.
        keys: The keys.
        models: What makes the templates.
        threshold: The tested threshold in force; ``None`` where none is known.
        audit: The audit log.
        complaints: The complaints.
    """

    made_at: datetime
    made_by: str
    version: str
    watchlist_id: str
    generation: int
    subjects: tuple[Tally, ...]
    searchable: int
    templates: tuple[Tally, ...]
    consents: ConsentFacts
    zones: tuple[ZoneFacts, ...]
    policy: PolicyVersion
    roles: tuple[tuple[str, tuple[str, ...]], ...]
    suspensions: tuple[SuspensionFacts, ...]
    keys: KeyFacts
    models: ModelFacts
    threshold: TestedThreshold | None
    audit: AuditFacts
    complaints: ComplaintFacts

    @property
    def subject_count(self) -> int:
        """Number of subjects in any state."""
        return sum(tally.count for tally in self.subjects)

    @property
    def actors(self) -> tuple[str, ...]:
        """Actors with a role, by name."""
        return tuple(sorted({actor for _, held in self.roles for actor in held}))
