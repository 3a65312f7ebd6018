"""Alembic migrations of the watchlist database, run by :mod:`facematch.storage.database`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

__all__ = ["config", "upgrade"]


def config() -> Config:
    """Alembic's configuration, without an ``alembic.ini``."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return settings


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema, inside the transaction that ``connection`` is in."""
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
