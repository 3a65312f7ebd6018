"""Notice for the public, in plain language: processing, purposes and rights.

It says no numbers of people and no names of staff: a small number could point at a person.
"""

from __future__ import annotations

from facematch.governance.reports.facts import Configuration, Tally, ZoneFacts
from facematch.governance.reports.processing_record import controllers_of
from facematch.governance.reports.statements import Statements
from facematch.governance.reports.wording import (
    DISCLAIMER,
    NO_TRAITS,
    amount,
    day,
    human_review,
    media_limit,
    moment,
    named,
    test_sentence,
)
from facematch.reporting import Block, Bullets, Cell, Facts, Note, Paragraph, Report, Section, Table

__all__ = ["transparency_notice"]


def transparency_notice(configuration: Configuration, statements: Statements, *, site: str | None = None) -> Report:
    """Transparency notice for the public.

    Args:
        configuration: The live configuration.
        statements: What the controller adds.
        site: Only the zones of this site; default every site.
    """
    name, contact = controllers_of(configuration, statements)
    zones = tuple(found for found in configuration.zones if site is None or found.zone.site == site)
    policy = configuration.policy.policy
    return Report(
        kind="Information for the public",
        title="Face recognition is in use" if site is None else f"Face recognition is in use at {site}",
        meta=f"Made {moment(configuration.made_at)}",
        lead=(
            (
                "Cameras or pictures are compared with a list of enrolled people. This page says who does it, why, "
                "what is kept, and what you can do."
            ),
        ),
        tiles=(),
        sections=(
            Section(
                "Who is responsible?",
                (
                    Facts(
                        (
                            ("Responsible (controller)", name),
                            ("Contact", contact),
                            ("Data protection officer", statements.data_protection_officer),
                        )
                    ),
                ),
            ),
            Section(
                "Why, and what allows it?",
                (
                    Facts(
                        (
                            ("Purposes", _words(configuration.consents.purposes)),
                            ("What allows enrollment", _words(configuration.consents.lawful_bases)),
                            ("Why a person can be on the list", _words(configuration.consents.categories)),
                            ("Why it is necessary", statements.necessity),
                        )
                    ),
                    Bullets(
                        (
                            policy.adults.sentence(),
                            policy.vulnerable.sentence(),
                            "Pictures collected from the web or from social media are never used for the list.",
                        )
                    ),
                ),
            ),
            Section("Where?", _places(configuration, zones, site)),
            Section("What happens to my face when I pass?", _passing(configuration)),
            Section("How often is it wrong?", _errors(configuration, statements)),
            Section("How long is data kept?", (Bullets(_times(configuration)),)),
            Section(
                "Who else gets the data?",
                (
                    Facts(
                        (
                            ("Recipients", _words(configuration.consents.recipients) or "nobody: no consent names one"),
                            ("Service providers (processors)", statements.processors),
                            ("Transfers to other countries", statements.transfers),
                        )
                    ),
                ),
            ),
            Section("What can I do?", _rights(configuration, statements, contact)),
        ),
        closing=(
            f"As configured on {day(configuration.made_at)}, under policy version {configuration.policy.version}. "
            + DISCLAIMER,
        ),
        numbered=False,
    )


def _words(found: tuple[Tally, ...]) -> Cell:
    names = named(found)
    return tuple(name.replace("-", " ") for name in names) if isinstance(names, tuple) else names


def _places(configuration: Configuration, zones: tuple[ZoneFacts, ...], site: str | None) -> tuple[Block, ...]:
    table = Table(
        ("Place", "Area", "What allows the camera to take in all who pass", "Notice at the entrance"),
        tuple(
            (found.zone.site, found.zone.zone, found.zone.capture_basis.replace("-", " "), found.zone.notice_id)
            for found in zones
        ),
        empty="No camera zone is open" + ("." if site is None else f" at {site}."),
    )
    paused = tuple(
        Note(f"Face recognition is switched off at the moment {item.where}.")
        for item in configuration.suspensions
        if site is None or item.site is None or item.site == site
    )
    required = configuration.policy.policy.zones.required
    also: tuple[Block, ...] = (
        () if required else (Paragraph("Single pictures may be searched outside these areas, too."),)
    )
    return (table, *also, *paused)


def _passing(configuration: Configuration) -> tuple[Block, ...]:
    return (
        Bullets(
            (
                (
                    "Each face in a picture is turned into a list of numbers and compared with the numbers of the "
                    "people on the list."
                ),
                (
                    "If you are not on the list and are not taken for a person who is, the search keeps no picture, "
                    "no numbers and no score of you. It only notes that a search took place."
                ),
                (
                    "If the comparison is close enough, the system shows a candidate. That is a suggestion, not an "
                    "identity, and it is for a person to judge. The system takes no action on its own."
                ),
                human_review(configuration.policy.policy),
                NO_TRAITS,
            )
        ),
    )


def _errors(configuration: Configuration, statements: Statements) -> tuple[Block, ...]:
    threshold = configuration.threshold
    if threshold is None:
        return (Facts((("How often a person is taken for another who is on the list", None),)),)
    data = Paragraph(f"It was tested on: {threshold.data}. Other people, cameras and light give other rates.")
    missed = Facts(
        (
            ("How often a person on the list is missed", statements.misses),
            ("How it differs between groups", statements.differences),
        )
    )
    return (Paragraph(test_sentence(threshold)), data, missed)


def _times(configuration: Configuration) -> tuple[str, ...]:
    policy = configuration.policy.policy
    rule = policy.retention
    after = (
        "as soon as it has ended"
        if not rule.erase_after_end_days
        else (f"{amount(rule.erase_after_end_days, 'day')} after it has ended")
    )
    log = "" if rule.audit_days is None else f" for {amount(rule.audit_days, 'day')}"
    return (
        (
            f"A consent, or another ground for being on the list, lasts at most "
            f"{amount(policy.validity.max_days, 'day')} unless it is renewed. The data of the person is erased {after}."
        ),
        f"The list itself keeps no pictures. Those of an alert that nobody confirmed are {media_limit(policy)}.",
        f"A log of who searched when, why and where is kept{log}. No face and no name of an enrolled person is in it.",
    )


def _rights(configuration: Configuration, statements: Statements, contact: Cell) -> tuple[Block, ...]:
    return (
        Paragraph(
            "Under the law that applies here you may be able to do more or less than this. Ask the controller to:"
        ),
        Bullets(
            (
                (
                    "Tell you whether you are on the list, and give you a copy of everything about you, with the "
                    "searches that returned you."
                ),
                "Take back your consent. From then on no search returns you.",
                "Look into a complaint that you should not be on the list. Until it is decided, no search returns you.",
                "Put wrong data right, or erase your data. You get a signed certificate of the erasure.",
                "Let a person look at a decision about you, hear what you say, and change it.",
            )
        ),
        Facts(
            (
                ("Where to turn", statements.rights_contact or contact),
                ("How to withdraw", named(configuration.consents.withdrawal_methods)),
                ("Where to complain (supervisory authority)", statements.supervisory_authority),
            )
        ),
    )
