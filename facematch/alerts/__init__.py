"""Alerts on their way to the people who decide."""

from facematch.alerts.decision import AlertDecision, AlertOrigin, SearchedPassage, decide_alert
from facematch.alerts.sinks.jsonl import JsonLinesSink

__all__ = ["AlertDecision", "AlertOrigin", "JsonLinesSink", "SearchedPassage", "decide_alert"]
