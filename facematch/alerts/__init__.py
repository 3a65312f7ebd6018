"""Alerts on their way to the people who decide."""

from facematch.alerts.sinks.jsonl import JsonLinesSink

__all__ = ["JsonLinesSink"]
