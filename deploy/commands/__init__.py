"""The subcommands of `heed`, one module each, imported only when called."""
