"""From frames to passages: detection, tracking, fusion."""
