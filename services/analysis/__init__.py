"""Reads raw feedback and hands on redacted readings."""
