"""Erasure, retention, backup and restore."""
