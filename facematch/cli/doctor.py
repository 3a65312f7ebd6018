"""``facematch doctor``: what is installed, what really runs, and whether it works."""

from __future__ import annotations

import platform
import sys
import time
from importlib import resources
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facematch import __version__
from facematch.cli.options import (
    Access,
    AsJson,
    PackName,
    UseOption,
    database_file,
    database_url,
    load_analyzer,
    open_watchlist,
)
from facematch.cli.output import ExitCode, exit_code, print_json, print_table
from facematch.cli.wording import document_for_commands
from facematch.errors import AccessDenied, FacematchError

if TYPE_CHECKING:
    from facematch.settings import Settings

__all__ = ["doctor"]

_PACKAGES = (
    "numpy",
    "opencv-python",
    "onnxruntime",
    "openvino",
    "faiss-cpu",
    "insightface",
    "sqlalchemy",
    "av",
    "trackers",
)
_SELF_TEST_FACES = 6
_BESIDE = (
    "the key file lies beside the database: a copy of the folder is enough to read everything; "
    "keep the key elsewhere, with --key-file or FACEMATCH_KEY"
)


def doctor(
    *,
    access: Access,
    pack: PackName = "opencv",
    use: UseOption = None,
    as_json: AsJson = False,
) -> int:
    """Check the installation: versions, providers in use, pack, database, its key, and a self-test on a real picture.

    Says where the key of the watchlist comes from, and warns where it lies beside the database.

    Example: `facematch doctor`
    """
    from facematch.parallel import usable_cpus
    from facematch.settings import Settings

    settings = Settings()
    report: dict[str, Any] = {
        "versions": {"facematch": __version__, "python": platform.python_version()} | _versions(),
        "machine": {"platform": platform.platform(), "cpus": usable_cpus(), "python": sys.executable},
        "home": str(settings.home),
        "offline": settings.offline,
    }
    problems = {}
    for part, check in (("pack", _pack), ("key", _key), ("database", _database), ("self_test", _self_test)):
        try:
            report[part] = check(settings, access=access, pack=pack, use=use)
        except FacematchError as error:
            report[part] = {"error": document_for_commands(error.to_dict())}
            problems[part] = error
    report["sound"] = not problems and report["self_test"]["passed"]
    if as_json:
        print_json(report)
    else:
        _print(report)
    if problems:
        return exit_code(next(iter(problems.values())))
    return ExitCode.OK if report["sound"] else ExitCode.MODEL


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _pack(settings: Settings, *, pack: str, **_: Any) -> dict[str, Any]:
    from facematch.models import find_manifest, pack_state

    manifest, folder = find_manifest(pack)
    return {
        "name": manifest.name,
        "license": manifest.license,
        "files": pack_state(manifest, settings, folder=folder),
    }


def _key(settings: Settings, *, access: Access, **_: Any) -> dict[str, Any]:
    """Source of the key; its public name, and never the key."""
    from facematch.governance.keys import FileKeys, StaticKeys

    file = database_file(database_url(access.database))
    if access.key_file is None and settings.key is not None:
        previous = [key.get_secret_value() for key in settings.previous_keys]
        keys = StaticKeys.from_text(settings.key.get_secret_value(), previous)
        return {"source": "FACEMATCH_KEY", "key_id": keys.key_id}
    if access.key_file is None and file is None:
        return {"source": "made anew with each watchlist in memory"}
    path = access.key_file or settings.key_file or _default_key_file(file)
    found: dict[str, Any] = {"source": "file", "file": str(path)}
    if path.exists() or (file is not None and file.exists()):
        found["key_id"] = FileKeys(path).key_id
    else:
        found["state"] = "not created yet"
    if file is not None and path.absolute().parent.resolve() == file.absolute().parent.resolve():
        found["warning"] = _BESIDE
    return found


def _default_key_file(file: Path | None) -> Path:
    assert file is not None
    return file.with_name(f"{file.name}.key")


def _database(_settings: Settings, *, access: Access, **_: Any) -> dict[str, Any]:
    url = database_url(access.database)
    file = database_file(url)
    if file is not None and not file.exists():
        return {"url": url, "state": "not created yet; the first enrollment makes it"}
    with open_watchlist(access) as watchlist:
        found: dict[str, Any] = {"url": url, "state": "opens with its key"}
        try:
            found["policy"] = watchlist.policies.current().policy.title
            return found | {
                "subjects": len(watchlist.subjects.list()),
                "templates": watchlist.subjects.count_templates().templates,
            }
        except AccessDenied as error:  # a watchlist of other people is no defect of the installation
            return found | {"counts": error.message}


def _self_test(_settings: Settings, *, pack: str, use: Any, **_: Any) -> dict[str, Any]:
    analyzer = load_analyzer(pack, use)
    picture = (resources.files("insightface") / "data" / "images" / "t1.jpg").read_bytes()
    began = time.perf_counter()
    (faces,) = analyzer.analyze([picture])
    seconds = time.perf_counter() - began
    return {
        "picture": "insightface's t1.jpg",
        "faces": len(faces),
        "expected_faces": _SELF_TEST_FACES,
        "milliseconds": round(seconds * 1000, 1),
        "providers": analyzer.describe_runtime(),
        "contract": analyzer.contract.digest,
        "passed": len(faces) == _SELF_TEST_FACES,
    }


def _print(report: dict[str, Any]) -> None:
    rows: list[tuple[str, object]] = []
    for part, value in report.items():
        if isinstance(value, dict) and "error" in value:
            rows.append((part, f"PROBLEM [{value['error']['code']}] {value['error']['message']}"))
            rows.append(("", f"hint: {value['error']['hint']}"))
        elif isinstance(value, dict):
            rows += [(part if i == 0 else "", f"{k}: {v}") for i, (k, v) in enumerate(value.items())]
        else:
            rows.append((part, value))
    print_table("facematch doctor", ("part", "state"), rows)
