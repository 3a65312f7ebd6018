"""The command line: one module a noun, each a thin layer over the public API."""

from __future__ import annotations

from facematch.cli.app import main

__all__ = ["main"]
