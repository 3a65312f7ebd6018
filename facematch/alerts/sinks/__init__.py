"""Where alerts go; every sink implements :class:`facematch.protocols.AlertSink`."""
