"""Runs the program inside of a Core ML package without Core ML: MIL reference evaluation."""
