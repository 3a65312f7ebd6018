"""Consent records: their fields, states, receipts and evidence."""
