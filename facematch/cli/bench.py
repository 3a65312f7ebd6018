"""``facematch bench``."""

from __future__ import annotations

import typer

from facematch.cli.bench_index import index
from facematch.cli.bench_pipeline import pipeline

__all__ = ["app"]

app = typer.Typer(help="Measure how fast this machine searches, and looks at pictures.", no_args_is_help=True)
app.command("index")(index)
app.command("pipeline")(pipeline)
