"""What stands in `.env.example` wherever a secret belongs; a module of its own, so that reading it needs no package."""

PLACEHOLDER = "change-me"
