"""From photos to weights: batches, augmentation, losses, optimisers, processes."""
