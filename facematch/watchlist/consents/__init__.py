"""Consent records over their life: filed, renewed, ended."""
