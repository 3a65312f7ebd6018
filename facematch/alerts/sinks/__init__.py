"""Sinks of alerts; every sink implements :class:`facematch.protocols.AlertSink`."""
