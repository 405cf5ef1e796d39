"""Everything that puts services together: the `heed` command and the one-process trial stack."""
