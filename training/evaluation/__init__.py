"""What a network is worth: answers, metrics, confidence, unknown things, pictures."""
