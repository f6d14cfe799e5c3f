"""GhostNet, GhostNetV2 and GhostNetV3, and the weights published for them."""
