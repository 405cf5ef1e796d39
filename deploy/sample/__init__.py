"""The bundled sample: invented feedback for three invented teams, for `heed demo`."""

from deploy.sample.feedback import CATALOGUE, MONTHS, SEED, newest_day, sample

__all__ = ["CATALOGUE", "MONTHS", "SEED", "newest_day", "sample"]
