"""Training room: photos in, a checkpoint out.

The package root stays free of torch, so that later rooms can use the shared types
(`training.labels`, `training.preprocess`, `training.files`, `training.errors`) alone.
"""
