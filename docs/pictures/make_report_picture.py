"""Make the picture of a video report that the README shows.

    python docs/pictures/make_report_picture.py FOLDER

writes ``FOLDER/report/report.html`` from a recording made here: NASA's public-domain astronaut moves past a
picture of six other people, whom nobody enrolled. A headless browser then takes the picture:

    chromium --headless --screenshot=docs/pictures/report.png --window-size=1100,1130 file://FOLDER/report/report.html
"""

from __future__ import annotations

import sys
from datetime import timedelta
from importlib import resources
from pathlib import Path

import av
import cv2
import numpy as np

import facematch as fm
from facematch.imaging import decode

FRAMES, RATE, WIDTH, HEIGHT = 120, 25, 1280, 720


def recording(path: Path) -> None:
    """Write the recording."""
    crowd = decode(str(resources.files("insightface") / "data" / "images" / "t1.jpg")).pixels
    astronaut = decode(str(resources.files("skimage") / "data" / "astronaut.png")).pixels
    crowd = cv2.resize(crowd, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    astronaut = cv2.resize(astronaut[:320, 60:380], (330, 330), interpolation=cv2.INTER_AREA)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(FRAMES):
            frame = crowd.copy()
            left = -340 + index * 14
            x1, x2 = max(left, 0), min(left + 330, WIDTH)
            if index >= 15 and x2 > x1:
                frame[380:710, x1:x2] = astronaut[:, x1 - left : x2 - left]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")))
        container.mux(stream.encode())


def main(folder: Path) -> None:
    """Make the recording, enroll the astronaut, process."""
    folder.mkdir(parents=True, exist_ok=True)
    recording(folder / "lobby.mp4")
    (folder / "notice-en.txt").write_text("A made-up notice.\n", "utf-8")
    (folder / "form.txt").write_text("A made-up form.\n", "utf-8")
    (folder / "picture.db").unlink(missing_ok=True)
    with fm.Watchlist.open(f"sqlite:///{folder / 'picture.db'}", actor="ana") as watchlist:
        consent = fm.Consent.given(
            subject_id="s-0042",
            purposes=["site-access"],
            sites=["store-12"],
            notice=folder / "notice-en.txt",
            language="en",
            evidence=folder / "form.txt",
            adult_attested=True,
            valid_for=timedelta(days=365),
        )
        picture = Path(str(resources.files("skimage") / "data" / "astronaut.png"))
        watchlist.enroll("s-0042", [picture], consent=consent)
        with fm.VideoPipeline(watchlist, purpose="site-access", site="store-12", camera="lobby") as pipeline:
            result = pipeline.process(folder / "lobby.mp4", folder / "report")
    sys.stdout.write(f"{len(result.alerts)} alert(s); {result.report}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
