"""Trains the analysis model from `shared/data`: `python -m services.analysis.training --help`."""
