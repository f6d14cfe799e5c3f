"""Photos and pixels in, names out: the engine, and the two ways to ask it over HTTP."""
