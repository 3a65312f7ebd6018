"""Every hint of the package, read from its source, says commands and options on the command line, not Python."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import facematch
from facematch.cli import main, wording
from facematch.cli.wording import hint_for_commands

PACKAGE = Path(facematch.__file__).parent

PYTHON = re.compile(
    r"\w\([^ ]*?\)|\b[a-z_]+=(?=[\[\"'\w.…]| |$)|`with`|\bdtype\b|\bWatchlist\b|\bAnalyzer\b"
    r"|\b(numpy|np|datetime|unicodedata|onnx)\.\w|\bDecodeLimits\b|\btimedelta\b|\bstr\b|\bcallable\b"
    r"|\b(?!mean_template\b|mean_top)[a-z]+_[a-z_]+\b"
)
"""A call, a keyword, a class, an attribute, or a name in snake case other than the values of --rule."""

ONLY_FROM_PYTHON = frozenset(
    {
        "check the unwrap callable",
        "convert other picture types with numpy.asarray(picture)[..., ::-1], which is BGR",
        "emit inside the `with` block",
        "lower DecodeLimits.max_pixels",
        "open it again with Watchlist.open()",
        "pass X as a str",
        "pass before=X or earlier",
        "pass datetime.now(timezone.utc)",
        "pass subject_ref, and give the writer seal=",
        "pass them as token='user:password'",
        "pass timedelta(days=365)",
        "pass what to_dict() gave, unchanged",
        "run it inside its `with` block",
        "scale floating-point pixels to 0..255 and convert with astype('uint8')",
        "share the Watchlist object",
        "use Analyzer.analyze(), or embed the faces first",
        "use dtype=np.float32",
        "use dtype=np.int64",
        "write analyze([picture])[0]",
    }
)
"""Hints that the command line cannot bring about: it opens, converts, passes and closes these things itself."""

DOCUMENT_FIELDS = re.compile(r"\[[a-z_]+\]|\bvalid_until\b|\bschema_version\b")
"""Parts of policies and of consent records as JSON, which people write for the command line, too."""


def _texts(node: ast.expr | None) -> Iterator[str]:
    """The texts that an expression can be; what is filled in stands as ``X``."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts)
        case ast.BinOp(left=left, right=right):
            yield from (first + second for first in _texts(left) for second in _texts(right))
        case ast.IfExp(body=body, orelse=other):
            yield from (*_texts(body), *_texts(other))
        case ast.Dict(values=values) | ast.BoolOp(values=values):
            for value in values:
                yield from _texts(value)
        case _:
            return


def _hints(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="hint", value=value):
                yield from _texts(value)
            case ast.Call(func=ast.Attribute(attr="refuse"), args=[_, value]):
                yield from _texts(value)
            case ast.Call(func=ast.Name(id="Refusal"), args=[_, _, value]):
                yield from _texts(value)
            case ast.Call(func=ast.Name(id="writing"), args=[_, value]):
                yield from _texts(value)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=value)
            ):
                if re.search("hint|restore", name, re.IGNORECASE):
                    yield from _texts(value)
            case _:
                pass


def hints() -> set[str]:
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        found.update(_hints(ast.parse(path.read_text("utf-8"))))
    return found


HINTS = hints()


def python_in(hint: str) -> str | None:
    found = PYTHON.search(DOCUMENT_FIELDS.sub("", hint))
    return None if found is None else found.group()


def test_the_walk_finds_the_hints() -> None:
    assert len(HINTS) > 350
    assert {
        "put the key file back, or name another place for it with key=",  # a keyword
        "pass evidence= the path of the signed form",  # a constant
        "enrollment is for adults only, attested by a person: pass adult_attested=True",  # a member of a table
        "pass category= one of the allowed categories",  # a refusal of a rule
        "set it in [X] of the policy",  # with something filled in
    } <= HINTS


@pytest.mark.parametrize("hint", sorted(HINTS - ONLY_FROM_PYTHON))
def test_a_hint_says_no_python_on_the_command_line(hint: str) -> None:
    assert python_in(hint_for_commands(hint)) is None, "give it words in facematch/cli/wording.py"


def test_what_stays_in_python_is_still_said_and_is_python() -> None:
    assert ONLY_FROM_PYTHON <= HINTS
    assert all(python_in(hint_for_commands(hint)) for hint in ONLY_FROM_PYTHON)


@pytest.mark.parametrize("python", [python for python, _ in wording._TABLE])
def test_every_line_of_the_table_is_needed(python: str) -> None:
    assert any(python in hint for hint in HINTS)


def test_the_commands_and_options_of_the_table_are_there() -> None:
    page = (PACKAGE.parent / "docs" / "reference" / "cli.md").read_text("utf-8")
    said = " ".join(command for _, command in wording._TABLE)
    assert set(re.findall(r"--[a-z][a-z-]+", said)) <= set(re.findall(r"--[a-z][a-z-]+", page))
    commands = {" ".join(found.split()) for found in re.findall(r"#+ `facematch ([a-z -]+)`", page)}
    for words in re.findall(r"facematch ([a-z-]+ ?[a-z-]*)", said):
        assert words.strip() in commands or words.split()[0] in commands, words


def test_the_hint_is_translated_in_words_and_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["subjects", "--db", f"sqlite:///{tmp_path / 'w.db'}"]
    assert main([*arguments, "--actor", "ana"]) == 0
    (tmp_path / "w.db.key").rename(tmp_path / "away")
    capsys.readouterr()
    assert main(arguments) == 6
    assert "name another place for it with --key-file" in capsys.readouterr().err.replace("\n", " ")
    assert main([*arguments, "--json"]) == 6
    assert json.loads(capsys.readouterr().out)["error"]["hint"].endswith("with --key-file")


def test_what_is_filled_in_is_kept() -> None:
    assert hint_for_commands('pass use="research" or set FACEMATCH_USE=research') == (
        "give --use research or set FACEMATCH_USE=research"
    )
    assert hint_for_commands("pass reason as a non-empty str") == "give a reason that says something"
    assert (
        hint_for_commands("pass evidence= the path of the file itself")
        == "give --evidence, the path of the file itself"
    )
