"""Roles, policies, zones, suspensions, audit and reports of a watchlist."""
