"""Alembic migrations of the schema `media`."""
