"""The learning service: readings become a team's page, without naming, blaming or ranking anyone."""
