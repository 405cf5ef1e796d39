"""Kills, stops and restarts everything while feedback is submitted, then proves that none was lost, doubled or leaked.

`python -m tests.chaos`, or `make chaos`. A run is made of seeded rounds (`plan`): a burst of submissions (`burst`,
`submissions`) while faults strike a `house`, then recovery. What was sent and answered stands in the `ledger`; what
became of it is `observed` on every topic and in every table; `checker` compares the two with a `calm` run.
"""
