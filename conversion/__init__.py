"""Conversion room: a checkpoint in, artifacts for phones and a parity report out.

The package root stays free of torch and of every converter, so that later rooms can use
`conversion.artifact`, `conversion.errors` and `conversion.runners` alone.
"""
