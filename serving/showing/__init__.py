"""Pages for people: what is published, a place to try it, and what a mobile developer needs."""
