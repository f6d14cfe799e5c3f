"""How the API is described, and the habits that all its answers share."""
