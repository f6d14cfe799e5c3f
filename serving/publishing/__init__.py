"""From a bundle to signed files: the desk, keys, ceremonies, releases, and where they lie."""
