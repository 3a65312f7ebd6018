"""The whole job on real pictures and recorded video: enroll with consent, identify, watch, withdraw, erase.

python examples/recorded_video.py                                      pictures and clips that packages carry
python examples/recorded_video.py --video my.mp4 --enroll people/      your own: one folder a person
"""

from __future__ import annotations

import argparse
import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import demo_media as media
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

import facematch as fm

PURPOSE, SITE = "site-access", "store-12"
NOTICE = "Cameras at this store look for people who asked to be recognized, to open the staff door for them.\n"
console = Console()


def consent_of(person: str, paperwork: Path) -> fm.Consent:
    """A consent record; its notice and evidence are files that are hashed into it."""
    paperwork.mkdir(parents=True, exist_ok=True)
    notice, form = paperwork / "notice-en.txt", paperwork / f"signed-form-{person}.txt"
    notice.write_text(NOTICE, "utf-8")
    form.write_text(f"A made-up form for the demo: {person} agrees to {PURPOSE} at {SITE}.\n", "utf-8")
    return fm.Consent.given(
        subject_id=person,
        purposes=[PURPOSE],
        sites=[SITE],
        notice=notice,
        language="en",
        evidence=form,
        adult_attested=True,
        valid_for=timedelta(days=365),
    )


def names(result: fm.Identification) -> str:
    """The candidates of each face, in reading order."""
    found = [f"{probe.best.subject_id} {probe.best.score:.2f}" if probe.best else "-" for probe in result.probes]
    return ", ".join(found) or "no face"


def advance(bars: Progress, task: TaskID, done: int, total: int | None) -> None:
    """Move a progress bar."""
    bars.update(task, completed=done, total=total)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, help="your recording")
    parser.add_argument("--enroll", type=Path, help="folder with a folder of pictures a person")
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="where results go")
    options = parser.parse_args()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)

    console.print("Loading the default model pack (fetched once, about 11 MB) ...")
    analyzer = fm.FaceAnalyzer.from_pack("opencv")
    cast = media.own_cast(options.enroll) if options.enroll else media.packaged_cast(analyzer, out / "media")
    videos = [options.video] if options.video else list(media.clips(out / "media").values())

    database = out / "watchlist.db"
    for old in out.glob(f"{database.name}*"):  # the database, its vault and its key
        old.unlink()
    with fm.Watchlist.open(f"sqlite:///{database}", actor="ana", analyzer=analyzer) as watchlist:
        try:
            watchlist.enroll("somebody", [media.astronaut_picture()])
        except fm.FacematchError as error:
            console.print(f"Without consent: [red]{error.code}[/]")
        enrolled: list[str] = []
        for person, images in cast.people.items():
            try:
                enrollment = watchlist.enroll(person, images, consent=consent_of(person, out / "paperwork"))
                enrolled.append(person)
                console.print(f"{person}: {len(enrollment.template_ids)} enrolled, {len(enrollment.refusals)} refused")
            except fm.FacematchError as error:
                console.print(f"{person}: [red]{error.code}[/] {error.message}")

        table = Table("input", "result", title="facematch demo", title_justify="left")
        for label, picture in cast.pictures.items():
            table.add_row(label, names(watchlist.identify(picture, purpose=PURPOSE, site=SITE)))
        paths: list[Path] = []
        with fm.VideoPipeline(watchlist, purpose=PURPOSE, site=SITE) as pipeline, Progress(console=console) as bars:
            for video in videos:
                show = partial(advance, bars, bars.add_task(video.name, total=None))
                outcome = pipeline.process(video, out / video.stem, progress=show)
                alerts = [f"{a.subject_id} {a.score:.2f} at {a.start_s:.1f}-{a.end_s:.1f} s" for a in outcome.alerts]
                summary = f"{outcome.frames} frames, {outcome.passages} passages: {', '.join(alerts) or 'no alert'}"
                table.add_row(video.name, summary)
                paths += [path for path in (outcome.annotated_video, outcome.report) if path]

        for gone in [person for person in enrolled if person in cast.shown_in][-1:]:
            probe = cast.shown_in[gone]
            table.add_row(f"before {gone} withdraws", names(watchlist.identify(probe, purpose=PURPOSE, site=SITE)))
            watchlist.withdraw(gone, reason="end of the demo")
            table.add_row(f"after {gone} withdrew", names(watchlist.identify(probe, purpose=PURPOSE, site=SITE)))
            certificate = watchlist.erase(gone, reason="end of the demo").certificate
            paths.append(out / "erasure-certificate.json")
            paths[-1].write_text(json.dumps(certificate, indent=2), "utf-8")
            proof = watchlist.verify_erasure(certificate)
            table.add_row(f"{gone} erased", "nothing left in any file" if proof.ok else "; ".join(proof.findings))
        log = watchlist.audit.verify()
        table.add_row("audit log", f"{log.size} entries, " + ("verified" if log.ok else "NOT what was written"))
        paths.append(out / "transparency-notice.html")
        paths[-1].write_text(watchlist.reports.transparency_notice(format="html"), "utf-8")
    console.print(table)
    console.print("Look at:", *(f"  {path}" for path in paths), sep="\n", markup=False)


if __name__ == "__main__":
    main()
