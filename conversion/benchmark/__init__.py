"""Time, memory and size of artifacts, measured in turns on one machine."""
