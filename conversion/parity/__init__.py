"""Does an artifact answer like its network? Statistics, the gate, confidence and reports."""
