"""Finds the step at which an artifact leaves the network that it was made from."""
