"""Complaints, disclosures and subject access."""
