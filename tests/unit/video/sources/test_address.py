from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facematch.video.sources.address import display_name, public_address, scheme_of


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("lobby.mp4", "lobby.mp4"),
        ("/videos/a@b?c#d.mp4", "/videos/a@b?c#d.mp4"),
        ("C:/videos/lobby.mp4", "C:/videos/lobby.mp4"),
        ("north door", "north door"),
        ("rtsp://10.0.0.7/door", "rtsp://10.0.0.7/door"),
        ("rtsp://ana:pw@10.0.0.7:554/door", "rtsp://10.0.0.7:554/door"),
        ("RTSPS://ana:pw@host/a?token=1#2", "RTSPS://host/a"),
        ("rtsp://ana:p/w@host/door", "rtsp://host/door"),
        ("rtsp://ana:p?w@host/door", "rtsp://host/door"),
        ("rtsp://ana:p@w@host/door", "rtsp://host/door"),
        ("rtsp:/ana:pw@host/door", "rtsp://host/door"),
        ("http://host/a;auth=pw", "http://host/a"),
    ],
)
def test_an_address_is_shown_without_credentials_and_query(address: str, shown: str) -> None:
    assert public_address(address) == shown


@given(st.text(min_size=1).map(lambda text: f"<{text}>"), st.sampled_from(["rtsp", "http", "x+y"]))
def test_no_password_is_ever_shown(password: str, scheme: str) -> None:
    assert password not in public_address(f"{scheme}://u:{password}@host/p")
    assert password not in public_address(f"{scheme}://host/p?pw={password}")


@pytest.mark.parametrize(
    ("address", "scheme"),
    [("RTSP://host", "rtsp"), ("file:///a", "file"), ("a.mp4", None), ("C:/a.mp4", None), ("a:b", None), ("", None)],
)
def test_scheme_of_an_address(address: str, scheme: str | None) -> None:
    assert scheme_of(address) == scheme


@pytest.mark.parametrize(
    ("address", "name"),
    [("/videos/lobby.mp4", "lobby.mp4"), ("lobby.mp4", "lobby.mp4"), ("rtsp://u:pw@h/door?t=1", "rtsp://h/door")],
)
def test_name_for_titles(address: str, name: str) -> None:
    assert display_name(address) == name
