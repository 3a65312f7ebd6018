"""The watchlist: enrolled subjects under consent, searched by face."""

from facematch.watchlist.watchlist import Watchlist

__all__ = ["Watchlist"]
