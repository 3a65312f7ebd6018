"""Tables, files and keys of a watchlist; internal."""
