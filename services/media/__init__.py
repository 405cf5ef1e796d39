"""Checks and cleans what patients film, record and photograph, reads its words, and erases it."""
