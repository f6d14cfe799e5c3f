"""Publishes signed releases, serves them, and answers for phones that are not sure."""
