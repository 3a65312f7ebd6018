"""Every block of Python in the documents runs as it stands, those of a page in order, as a reader copies them.

The README's has a test of its own, for what it prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch.evaluation import cache

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MILVUS_LITE = "milvus.db"

INSTEAD = {"https://milvus.example:19530": MILVUS_LITE}
"""What a reader would put their own in for, and what stands there in the tests."""

SHARED = {"docs/how-to/evaluation.md"}
"""Pages whose blocks read a folder of people."""

SHOWN = {
    "docs/how-to/back-up-and-restore.md": r"0 0 0\nthe database was restored from a backup\nTrue\n",
    "docs/how-to/enroll-many.md": r"s-0042 active 2\n",
    "docs/how-to/rotate-keys.md": r"True\nTrue\n",
    "docs/how-to/serve-several-actors.md": r"\[1, 1, 1, 1\]\n",
    "docs/how-to/troubleshoot.md": r"database_unavailable \| .*\n",
    "docs/explanation/accuracy.md": "",
    "docs/how-to/evaluation.md": r"DirAtFpir\(rate=0\.9.*\) \{'0\.1': 0\.3.*, '0\.001': None\}\n",
    "docs/explanation/gallery.md": r"0\nIndexStats\(kind='exact', vectors=1000, dimension=128, .*\)\n",
    "docs/how-to/milvus.md": "",
    "docs/how-to/packs.md": (
        r"\{'detector': 'ONNX Runtime on .*, 1 threads', 'embedder': 'ONNX Runtime on .*, 1 threads'\}\n"
    ),
    "docs/how-to/video.md": r"lobby/report\.html\n\[\]\n",
}
"""What the blocks of a page print."""


def pages() -> list[str]:
    """README and documents with a block of Python."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(path.relative_to(ROOT)) for path in files if BLOCK.search(path.read_text("utf-8"))]


PAGES = [page for page in pages() if page != "README.md"]


@pytest.fixture
def milvus_lite(workplace: Path) -> Iterator[None]:
    """Ends the server that Milvus Lite starts for a file."""
    yield
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(workplace / MILVUS_LITE))


@pytest.mark.usefixtures("milvus_lite")
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.shared_data] if page in SHARED else []) for page in PAGES]
)
def test_the_blocks_of_a_page_run(
    page: str,
    workplace: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "default_cache_folder", lambda: workplace / "cache")
    if page in SHARED:
        request.getfixturevalue("orl")  # embedded already
        folder = request.getfixturevalue("evaluation_cache")
        monkeypatch.setattr(cache, "default_cache_folder", lambda: folder)
        (workplace / "people").symlink_to(request.getfixturevalue("shared") / "data" / "orl")
    reader: dict[str, object] = {"__name__": "__main__"}
    for block in BLOCK.findall((ROOT / page).read_text("utf-8")):
        for written, here in INSTEAD.items():
            block = block.replace(written, here)  # noqa: PLW2901
        exec(compile(block, page, "exec"), reader)
    assert re.fullmatch(SHOWN[page], capsys.readouterr().out, flags=re.DOTALL)


def test_the_lists_name_pages_with_blocks() -> None:
    assert set(SHOWN) == set(PAGES)
    assert set(PAGES) >= SHARED
    assert len(PAGES) >= 6


def test_every_fence_of_python_is_found() -> None:
    """One that is indented or written otherwise would not be run."""
    fences = re.compile(r"^\s*(`{3,}|~{3,})\s*\{?(python|py|code-block:: python)\b", re.MULTILINE)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text("utf-8")
        assert len(fences.findall(text)) == len(BLOCK.findall(text)), path.name
