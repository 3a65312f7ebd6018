"""Opening a watchlist: creation, unlocking, recovery."""
