"""Print every requirement of the project at its lower bound, for an environment that tests them."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
wanted = [*project["dependencies"], *extras["video"], *(item for item in extras["dev"] if "facematch" not in item)]
for requirement in wanted:
    sys.stdout.write(re.sub(r">=([\d.]+)", r"==\1.*", requirement) + "\n")
