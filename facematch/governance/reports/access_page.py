"""Page of a subject access export, for the subject to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from facematch.governance.consent.consent import Consent
from facematch.governance.reports.access_file import AccessFile, StoredComplaint, StoredTemplate
from facematch.governance.reports.access_log import LogLine, what_happened
from facematch.governance.reports.wording import (
    amount,
    day,
    decision_steps,
    moment,
    not_enforced,
    policy_rows,
    test_sentence,
)
from facematch.reporting import Block, Bullets, Cell, Facts, Paragraph, Report, Section, Table

__all__ = ["access_page", "logic_sentences", "readme"]

_EMPTY: Final[tuple[object, ...]] = (None, [], {"others": 0})
"""Details that are not worth a line on the page; log.json has them."""

_STATES: Final = {
    "active": "searches for the purposes and places of your consent can return you",
    "pending": "searches do not return you yet",
    "requested": "your consent was asked for; searches do not return you",
    "restricted": "searches do not return you, because of a complaint",
    "withdrawn": "searches do not return you any more; your consent has ended",
    "expired": "searches do not return you any more; the time of your consent is over",
}


def logic_sentences(file: AccessFile) -> tuple[str, ...]:
    """Logic of a decision, and the tested error rates."""
    steps = decision_steps(file.models, file.threshold, file.policy.policy)
    if file.threshold is None:
        used = sorted({line.details["threshold"] for line in file.log if "threshold" in line.details})
        values = ", ".join(f"{value:.4g}" for value in used)
        own = f" Searches that concern you used: {values}." if used else ""
        return (
            *steps,
            (
                "No calibration artifact is in force here: the threshold comes with the model pack. Ask the controller "
                f"how it was tested.{own}"
            ),
        )
    known = file.threshold.gallery_size
    size = "" if known is None else f" It holds for lists of up to {amount(known, 'person', 'people')}."
    return (*steps, f"{test_sentence(file.threshold)}{size} It was tested on: {file.threshold.data}.")


def access_page(file: AccessFile) -> Report:
    """Page of everything that is stored about one subject."""
    return Report(
        kind="Copy of your data",
        title=f"What is stored about {file.subject_id}",
        meta=f"Made {moment(file.made_at)}",
        lead=(
            (
                "Everything that this watchlist stores about you, where it comes from, what was done with it, and how "
                "decisions come about. README.txt says what the other files of this archive are."
            ),
        ),
        tiles=(
            (file.state, "your state"),
            (f"{len(file.consents):,}", "consent records"),
            (f"{len(file.templates):,}", "stored templates"),
            (f"{file.returned:,}", "searches that returned you"),
        ),
        sections=(
            Section(
                "You",
                (
                    Facts(
                        (
                            ("Name on the list (subject id)", file.subject_id),
                            ("State", f"{file.state}: {_STATES.get(file.state, 'ask the controller')}"),
                            ("Stored since", moment(file.created_at)),
                            ("Reference in the log", file.subject_ref),
                        )
                    ),
                ),
            ),
            *(_consent(consent, number + 1) for number, consent in enumerate(file.consents)),
            Section("Templates", _templates(file.templates)),
            Section("What was done with your data", _log(file)),
            Section("Complaints", (_complaints(file.complaints),)),
            Section("How a decision comes about", (Bullets(logic_sentences(file), numbered=True),)),
            Section(
                "The rules in force",
                (
                    Paragraph(
                        f"The policy {file.policy.policy.title!r}, version {file.policy.version}, in force since "
                        f"{day(file.policy.effective_from)}. The software refuses what it does not allow."
                    ),
                    Table(("Rule", "What it says"), policy_rows(file.policy.policy)),
                ),
            ),
            *not_enforced(file.policy.policy),
        ),
        closing=(
            (
                f"Made by facematch on {moment(file.made_at)} for the watchlist {file.watchlist_id}, by the account "
                f"{file.made_by}. Nothing about other people on the list is in here; where an entry listed "
                "others, only their number is given. This page is no legal advice."
            ),
        ),
        numbered=False,
    )


def readme(file: AccessFile) -> str:
    """Plain text on the files of the archive."""
    return f"""\
Copy of the data about {file.subject_id}
made on {moment(file.made_at)} by the account {file.made_by}

Open index.html in a browser to read it; it can be printed. The other files hold the same for machines.

  index.html       everything on one page
  subject.json     your id on the list, your state, since when you are stored
  consents.json    your consent records, with all that happened to them
  receipts/        signed receipts of these records, as text and as JSON
  templates.json   what is stored of your pictures: when, by whom, how good; the pictures are not kept
  log.json         what was done with your data, and every search that returned you
  complaints.json  your complaints and what became of them
  logic.txt        how a search comes to a candidate
  logic.json       the same with all figures, and the rules in force

What is not in here:

  The templates themselves: lists of numbers that would let others search for you. They are never handed out.
  Anything about other people. Where a search returned others as well, only their number is given.
  Faces that were searched: a search does not keep them.
  Log entries whose content was deleted after the time that the rules set; {file.pruned} of the whole log by now.
  What the controller keeps outside this watchlist, such as alerts passed on to other systems. Ask the controller.

"Account" and "by" name the accounts of people who work for the controller. Times are in UTC. This is no legal advice.
"""


def _consent(consent: Consent, number: int) -> Section:
    def listed(values: Sequence[str], nothing: str) -> Cell:
        return tuple(values) or nothing

    said = (
        ("State", consent.state.value),
        ("Record id", consent.record_id),
        ("Purposes", tuple(consent.purposes)),
        ("Sites", listed(consent.sites, "every site")),
        ("Zones", listed(consent.zones, "every zone of these sites")),
        ("Lawful basis", consent.lawful_basis.replace("-", " ")),
        ("Why you are on the list (category)", consent.category or "not recorded"),
        ("Incident", consent.incident_id or "not recorded"),
        ("Where the pictures come from", consent.source or "not recorded"),
        ("Personal data", tuple(consent.personal_data)),
        ("Controller", tuple(dict.fromkeys((consent.controller.name, consent.controller.contact)))),
        ("Recipients", listed(consent.recipients, "nobody")),
        ("Storage locations", listed(consent.storage_locations, "not recorded")),
        ("Kept for", consent.retention or "not recorded"),
        ("Jurisdiction", consent.jurisdiction or "not recorded"),
        ("Assessment", consent.impact_assessment or "not recorded"),
        ("How it was collected", consent.collection_method),
        ("How to withdraw", consent.withdrawal_method),
        ("Notice you were shown", f"{consent.privacy_notice.uri} (language {consent.language})"),
    )
    events = Table(
        ("When", "What", "Until", "By", "Reason"),
        tuple(
            (
                moment(event.time),
                event.state.value,
                "" if event.valid_until is None else day(event.valid_until),
                event.actor,
                event.reason or "",
            )
            for event in consent.events
        ),
    )
    return Section(f"Consent record {number}", (Facts(said), events))


def _templates(templates: Sequence[StoredTemplate]) -> tuple[Block, ...]:
    table = Table(
        ("Template", "Enrolled", "By", "State", "Face", "Model"),
        tuple(
            (
                f"{item.template_id}",
                moment(item.enrolled_at),
                item.enrolled_by if item.approved_by is None else (item.enrolled_by, f"approved by {item.approved_by}"),
                item.state if item.quality_override is None else (item.state, f"override: {item.quality_override}"),
                f"{item.face_height_px:.0f} px high, detection score {item.detection_score:.2f}",
                item.model,
            )
            for item in templates
        ),
        empty="No template is stored.",
        caption="A template is a list of numbers made of a face. It is stored encrypted and is not part of this copy: "
        "with it, others could search for you. The pictures are not kept.",
    )
    return (table,)


def _log(file: AccessFile) -> tuple[Block, ...]:
    table = Table(
        ("When", "What happened", "By", "Where and why", "More"),
        tuple((moment(line.time), what_happened(line), line.actor, _place(line), _more(line)) for line in file.log),
        empty="The log has no entry about you.",
        caption="Entries that list you beside others say only how many others.",
    )
    if not file.pruned:
        return (table,)
    return (
        table,
        Paragraph(
            f"The content of {amount(file.pruned, 'entry', 'entries')} at the beginning of the whole log was deleted "
            "after the time that the rules set."
        ),
    )


def _place(line: LogLine) -> Cell:
    found = ((name, line.details.get(name)) for name in ("purpose", "site", "zone"))
    return tuple(f"{name} {value}" for name, value in found if value is not None) or ""


def _more(line: LogLine) -> Cell:
    said = []
    for name, value in (*line.details.items(), *line.private.items()):
        if name in {"purpose", "site", "zone", "generation"} or value in _EMPTY:
            continue
        said.append(f"{name.replace('_', ' ')}: {_written(value)}")
    return tuple(said) or ""


def _written(value: object) -> str:
    if isinstance(value, Mapping) and "others" in value:
        others = amount(int(value["others"]), "other person", "other people")
        return f"you and {others}" if value.get("you") else others
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    return json.dumps(value, ensure_ascii=False)


def _complaints(complaints: Sequence[StoredComplaint]) -> Table:
    words = {None: "not decided yet", True: "upheld", False: "not upheld"}
    return Table(
        ("Number", "Ground", "Taken up", "Decision"),
        tuple(
            (
                f"{item.number}",
                item.ground,
                (moment(item.opened_at), f"by {item.opened_by}"),
                words[item.upheld]
                if item.decided_at is None
                else (words[item.upheld], f"{moment(item.decided_at)} by {item.decided_by}"),
            )
            for item in complaints
        ),
        empty="You made no complaint.",
    )
