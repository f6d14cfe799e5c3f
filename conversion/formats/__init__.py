"""The converters: ExecuTorch, Core ML and LiteRT, one process each."""
