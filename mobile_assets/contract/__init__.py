"""What the clients of all languages agree on, described once and written as their sources."""
