"""How two releases of a model differ."""
