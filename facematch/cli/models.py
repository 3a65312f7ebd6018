"""``facematch models list | show | pull | verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facematch.cli.option_groups import Commands
from facematch.cli.options import AsJson, UseOption
from facematch.cli.output import ExitCode, console, print_json, print_table, progress_bar
from facematch.cli.quantize import quantize

__all__ = ["app"]

app = Commands(help="Model packs: list, show, pull and verify.", no_args_is_help=True)

app.command("quantize")(quantize)

Name = Annotated[str, typer.Argument(help="A bundled pack's name, or a folder.")]


@app.command("list")
def list_packs(as_json: AsJson = False) -> None:
    """List the packs that facematch knows, their licenses and whether their files are here.

    Example: `facematch models list`
    """
    from facematch.models import bundled_manifest, bundled_names, pack_state
    from facematch.settings import Settings

    settings = Settings()
    rows = []
    for name in bundled_names():
        manifest = bundled_manifest(name)
        states = set(pack_state(manifest, settings).values())
        state = states.pop() if len(states) == 1 else "incomplete"
        rows.append((name, manifest.license, ", ".join(manifest.permitted_use), state, manifest.summary))
    if as_json:
        keys = ("name", "license", "permitted_use", "state", "summary")
        print_json({"packs": [dict(zip(keys, row, strict=True)) for row in rows], "home": str(settings.home)})
    else:
        print_table(f"Model packs in {settings.home}", ("pack", "license", "use", "files"), [row[:4] for row in rows])


@app.command("show")
def show(pack: Name, as_json: AsJson = False) -> None:
    """Show a pack's manifest: files, digests, license, model card, tested threshold.

    Example: `facematch models show opencv`
    """
    from facematch.models import find_manifest, pack_folder
    from facematch.settings import Settings

    manifest, folder = find_manifest(pack)
    document = manifest.model_dump(mode="json") | {"folder": str(folder or pack_folder(manifest, Settings()))}
    if as_json:
        print_json(document)
        return
    rows: list[tuple[str, object]] = [
        ("version", manifest.version),
        ("license", manifest.license),
        ("permitted use", ", ".join(manifest.permitted_use)),
        ("detector", f"{manifest.detector.file}\nsha256 {manifest.detector.sha256}"),
        *(("embedder", f"{model.file}\nsha256 {model.sha256}\n{model.dimension}-d") for model in manifest.embedders),
        ("folder", document["folder"]),
        *manifest.published.items(),
    ]
    if (tested := manifest.threshold) is not None:
        rows.append(("threshold", f"{tested.value} at {tested.error_kind} {tested.error_rate:g}: {tested.measured_on}"))
    print_table(f"{manifest.name}: {manifest.summary}", ("", ""), rows)
    console().print(manifest.model_card.strip(), markup=False)


@app.command("pull")
def pull(
    pack: Name = "opencv",
    source: Annotated[
        list[Path] | None, typer.Option("--from", help="Look into this folder first; may be repeated.")
    ] = None,
    use: UseOption = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a pack's files, check their digests and convert them.

    Example: `facematch models pull opencv`
    """
    from facematch.models import open_pack
    from facematch.settings import Settings

    with progress_bar(f"fetching {pack}", unit="bytes") as progress:
        opened = open_pack(pack, use=use, settings=Settings(), progress=progress, folders=source or [])
        opened.model_bytes("detector")
        opened.model_bytes("embedder")
    if as_json:
        print_json({"pack": opened.manifest.name, "folder": str(opened.folder), "contract": opened.contract.digest})
    else:
        console().print(f"{opened.manifest.name} is ready in {opened.folder}", markup=False)


@app.command("verify")
def verify(pack: Name = "opencv", use: UseOption = None, as_json: AsJson = False) -> int:
    """Check the files of a pack against their recorded digests; nothing is fetched.

    Example: `facematch models verify opencv`
    """
    from facematch.models import find_manifest, pack_state
    from facematch.models.pack import check_license
    from facematch.settings import Settings

    settings = Settings()
    manifest, folder = find_manifest(pack)
    check_license(manifest, use or settings.use)
    states = pack_state(manifest, settings, folder=folder)
    sound = all(state == "verified" for state in states.values())
    if as_json:
        print_json({"pack": manifest.name, "sound": sound, "files": states})
    else:
        print_table(f"Files of {manifest.name}", ("file", "state"), list(states.items()))
    return ExitCode.OK if sound else ExitCode.MODEL
