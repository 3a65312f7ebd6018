"""Open a model pack: find its manifest, check its license, fetch and verify its files, convert them for the runtime."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from facematch.errors import LicenseError, ManifestInvalid, PackCorrupt, PackNotFound
from facematch.models.contract import ensemble_contract
from facematch.models.convert import CONVERTER_VERSION, Role, convert, refuse_external_data
from facematch.models.fetch import ensure_files, file_digest, locked, pack_folder, publish
from facematch.models.insightface_layout import manifest_of_insightface_folder
from facematch.models.manifest import MANIFEST_NAME, Manifest, ModelFile, bundled_manifest, bundled_names, read_manifest
from facematch.protocols import Progress
from facematch.settings import Runtime, Settings, Use
from facematch.types import EmbeddingContract, OperatingPoint

__all__ = ["DEFAULT_PACK", "Pack", "check_license", "converted_path", "find_manifest", "open_pack", "pack_state"]

logger = logging.getLogger(__name__)

DEFAULT_PACK: Final = "opencv"


@dataclass(frozen=True, slots=True)
class Pack:
    """A model pack whose files are on disk and verified.

    Attributes:
        manifest: What it is made of.
        folder: Where its files are.
        settings: The settings it was opened with.
    """

    manifest: Manifest
    folder: Path
    settings: Settings

    @property
    def contract(self) -> EmbeddingContract:
        """The embedding contract of the pack's embedder or ensemble."""
        return ensemble_contract(self.manifest.embedders)

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The pack's tested threshold, if it has one for this very contract."""
        tested = self.manifest.threshold
        if tested is None or tested.contract != self.contract.digest:
            return None  # flip averaging, for one, makes another contract
        return OperatingPoint(
            threshold=tested.value,
            contract=tested.contract,
            error_rate=tested.error_rate,
            error_kind=tested.error_kind,
            measured_on=tested.measured_on,
            trials=tested.trials,
            measured_at=tested.measured_at,
            rule=tested.rule,
            gallery_size=tested.gallery_size,
            templates=tested.templates,
        )

    def with_flip(self) -> Pack:
        """The same pack with flip averaging in every embedder; another contract, so without the tested threshold."""
        embedders = tuple(model.model_copy(update={"flip": True}) for model in self.manifest.embedders)
        return replace(self, manifest=self.manifest.model_copy(update={"embedders": embedders}))

    def model_bytes(self, role: Role, member: int = 0, runtime: Runtime = "onnxruntime") -> bytes:
        """The bytes of the detector or of an embedder, ready for the runtime, verified as they are read.

        Converted files are a cache under ``FACEMATCH_HOME``: missing, damaged or foreign ones are made anew.

        Args:
            role: The detector or an embedder.
            member: Which embedder of an ensemble.
            runtime: What is to run it.

        Raises:
            PackCorrupt: The published file has changed on disk.
            ConversionError: It cannot be converted.
        """
        model: ModelFile = self.manifest.detector if role == "detector" else self.manifest.embedders[member]
        return self._bytes_of(model, role, runtime)

    def quality_bytes(self) -> bytes | None:
        """The bytes of the quality network, verified as they are read; ``None`` where the pack carries none.

        Raises:
            PackCorrupt: The published file has changed on disk.
            ConversionError: It is no ONNX model, or keeps weights in other files.
        """
        model = self.manifest.quality
        return None if model is None else _self_contained(self.folder / model.file, model.sha256)

    def _bytes_of(self, model: ModelFile, role: Role, runtime: Runtime) -> bytes:
        path = self.folder / model.file
        if not model.convert:
            return _self_contained(path, model.sha256)
        target = converted_path(model, self.settings, runtime)
        record = target.with_suffix(".sha256")
        if (cached := _cached(target, record)) is not None:
            return cached
        with locked(target.parent):
            if (cached := _cached(target, record)) is not None:
                return cached
            logger.debug("model file is converted", extra={"model": model.file, "runtime": runtime})
            result = convert(_verified(path, model.sha256), role, batched=model.batched, runtime=runtime)
            digest = hashlib.sha256(result).hexdigest()
            if runtime == "onnxruntime" and model.converted_sha256 not in {None, digest}:
                logger.warning(
                    "converted model differs from the recorded digest; another version of onnx may have written it",
                    extra={"model": model.file, "digest": digest, "recorded": model.converted_sha256},
                )
            record.unlink(missing_ok=True)
            publish(target, result)
            publish(record, digest.encode("ascii"))
            return result

    def describe(self) -> dict[str, str]:
        """The pack in a few words, for reports."""
        return {
            "pack": f"{self.manifest.name} {self.manifest.version}",
            "license": self.manifest.license,
            "detector": f"{self.manifest.detector.file} ({self.manifest.detector.license})",
            "embedder": " + ".join(
                f"{model.file}{', flip averaged' if model.flip else ''} ({model.license})"
                for model in self.manifest.embedders
            ),
            **({} if (net := self.manifest.quality) is None else {"quality": f"{net.file} ({net.license})"}),
        }


def find_manifest(name_or_folder: str | Path) -> tuple[Manifest, Path | None]:
    """The manifest of a bundled pack or of a folder.

    A folder holds a manifest named ``facematch.toml`` beside its ONNX files, or lies in InsightFace's layout.

    Returns:
        The manifest, and the folder if one was named.

    Raises:
        PackNotFound: Neither a bundled pack nor a folder.
        ManifestInvalid: The manifest is malformed, or the folder has none and is in no known layout.
    """
    name = str(name_or_folder)
    if isinstance(name_or_folder, str) and name in bundled_names():
        return bundled_manifest(name), None
    folder = Path(name_or_folder).expanduser()
    try:
        there = folder.is_dir()
    except OSError as error:  # a name that is too long, or a folder that may not be looked into
        raise PackNotFound(f"{name!r} cannot be looked up: {error.strerror}", hint="check the name") from error
    if there:
        if (folder / MANIFEST_NAME).is_file():
            return read_manifest(folder / MANIFEST_NAME), folder
        if manifest := manifest_of_insightface_folder(folder):
            return manifest, folder
        raise ManifestInvalid(
            f"{folder} has no {MANIFEST_NAME} and is not in InsightFace's layout",
            hint="write a manifest beside the ONNX files; docs/how-to/packs.md shows one",
        )
    raise PackNotFound(
        f"there is no model pack and no folder named {name!r}",
        hint=f"known packs: {', '.join(bundled_names())}; or name a folder that holds a pack",
    )


def check_license(manifest: Manifest, use: Use) -> None:
    """Refuse a pack whose license forbids the use.

    Raises:
        LicenseError: It does.
    """
    if use not in manifest.permitted_use:
        allowed = " or ".join(manifest.permitted_use)
        raise LicenseError(
            f"model pack {manifest.name!r} is licensed {manifest.license} for {allowed} use, not for {use} use",
            hint=f'use the default pack, or, if your use really is {allowed}, pass use="{manifest.permitted_use[0]}" '
            f"or set FACEMATCH_USE={manifest.permitted_use[0]}",
        )


def open_pack(
    name_or_folder: str | Path = DEFAULT_PACK,
    *,
    use: Use | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
    folders: Sequence[Path] = (),
) -> Pack:
    """Open a pack; its license is checked before anything is fetched.

    Args:
        name_or_folder: A bundled pack's name, or a folder.
        use: What the models are used for; default: the settings' ``use``.
        settings: Machine settings; default: from the environment.
        progress: Called with bytes done and in all during a download.
        folders: Local folders to look into before any source.

    Returns:
        The pack, its files verified.

    Raises:
        PackNotFound: There is no such pack.
        ManifestInvalid: Its manifest is malformed.
        LicenseError: Its license forbids the use.
        PackUnavailable: A file is missing and could not be fetched.
        PackCorrupt: A file has another digest than recorded.
    """
    settings = settings or Settings()
    manifest, folder = find_manifest(name_or_folder)
    check_license(manifest, use or settings.use)
    if folder is None:
        return Pack(manifest, ensure_files(manifest, settings, progress=progress, folders=folders), settings)
    for model in manifest.model_files:
        _verified(folder / model.file, model.sha256)
    return Pack(manifest, folder, settings)


def converted_path(model: ModelFile, settings: Settings, runtime: Runtime = "onnxruntime") -> Path:
    """Path of the cached form of a model file that a runtime takes."""
    form = f"v{CONVERTER_VERSION}" if model.batched else f"v{CONVERTER_VERSION}-single"
    form = form if runtime == "onnxruntime" else f"{form}-{runtime}"
    return settings.home / "converted" / f"{model.sha256[:32]}-{form}.onnx"


def pack_state(manifest: Manifest, settings: Settings, *, folder: Path | None = None) -> dict[str, str]:
    """State of each file of a pack: ``missing``, ``verified`` or ``corrupt``; nothing is fetched.

    Args:
        manifest: The pack.
        settings: Where bundled packs are kept.
        folder: The pack's folder, if it is not a bundled one.
    """
    folder = folder or pack_folder(manifest, settings)
    states = {}
    for model in manifest.model_files:
        path = folder / model.file
        if not path.is_file():
            states[model.file] = "missing"
        else:
            states[model.file] = "verified" if file_digest(path) == model.sha256 else "corrupt"
    return states


def _verified(path: Path, sha256: str) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PackCorrupt(f"{path} cannot be read: {error}", hint="fetch the pack again") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != sha256:
        raise PackCorrupt(
            f"{path} has SHA-256 {digest[:16]}…, its manifest says {sha256[:16]}…",
            hint="fetch the pack again; if you changed the file on purpose, write a manifest of your own",
        )
    return data


def _self_contained(path: Path, sha256: str) -> bytes:
    data = _verified(path, sha256)
    refuse_external_data(data)
    return data


def _cached(target: Path, record: Path) -> bytes | None:
    try:
        data, digest = target.read_bytes(), record.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None
