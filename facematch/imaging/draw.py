"""Draw on pictures: a candidate's box with a line of text."""

from __future__ import annotations

import cv2

from facematch.types import Box, Image

__all__ = ["draw_box"]

ACCENT = (40, 130, 245)
"""BGR: an orange that stands out of skin, foliage and tarmac."""

_INK = (16, 16, 16)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_box(image: Image, box: Box, text: str, *, color: tuple[int, int, int] = ACCENT) -> None:
    """Draw a box and a label in place.

    Lines and letters scale with the picture. The label stands above the box, or below it where there is no room, and is
    moved sideways to stay inside the picture. Characters that the font lacks are shown as ``?``.

    Args:
        image: BGR ``uint8`` ``(H, W, 3)``, writable; changed in place.
        box: ``xyxy`` in pixels.
        text: One short line; may be empty.
        color: BGR.
    """
    height, width = image.shape[:2]
    stroke = max(2, round(min(height, width) / 270))
    seen = box.clipped(width - 1, height - 1)
    x1, y1, x2, y2 = (round(v) for v in seen.as_tuple())
    cv2.rectangle(image, (x1, y1), (x2, y2), color, stroke, cv2.LINE_AA)
    if not text:
        return
    line = "".join(c if " " <= c <= "~" else "?" for c in text)
    if len(line) > 48:
        line = line[:47] + "~"
    scale = max(0.4, min(height, width) / 900)
    (text_width, text_height), below = cv2.getTextSize(line, _FONT, scale, max(1, stroke // 2))
    pad = max(3, text_height // 3)
    plate_height, plate_width = text_height + below + 2 * pad, text_width + 2 * pad
    top = y1 - plate_height if y1 >= plate_height else min(y2, height - plate_height)
    left = max(0, min(x1 - stroke // 2, width - plate_width))
    cv2.rectangle(image, (left, top), (left + plate_width, top + plate_height), color, cv2.FILLED)
    place = (left + pad, top + pad + text_height)
    cv2.putText(image, line, place, _FONT, scale, _INK, max(1, stroke // 2), cv2.LINE_AA)
