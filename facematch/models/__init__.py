"""Model packs: manifests, verified fetching, conversion for the runtime, inference sessions."""

from __future__ import annotations

from facematch.models.contract import embedding_contract, ensemble_contract
from facematch.models.fetch import ensure_files, pack_folder
from facematch.models.manifest import (
    DetectorModel,
    EmbedderModel,
    Manifest,
    QualityModel,
    bundled_manifest,
    bundled_names,
    read_manifest,
)
from facematch.models.pack import Pack, find_manifest, open_pack, pack_state
from facematch.models.sessions import DEFAULT_PROVIDERS, OnnxSession, SessionOptions, samples_at_once
from facematch.models.sources import wheel_members

__all__ = [
    "DEFAULT_PROVIDERS",
    "DetectorModel",
    "EmbedderModel",
    "Manifest",
    "OnnxSession",
    "Pack",
    "QualityModel",
    "SessionOptions",
    "bundled_manifest",
    "bundled_names",
    "embedding_contract",
    "ensemble_contract",
    "ensure_files",
    "find_manifest",
    "open_pack",
    "pack_folder",
    "pack_state",
    "read_manifest",
    "samples_at_once",
    "wheel_members",
]
