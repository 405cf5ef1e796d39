"""Alembic migrations of the schema `learning`."""
