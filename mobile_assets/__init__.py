"""Signed, versioned bundles of model files, and the client that apps pull them with."""
