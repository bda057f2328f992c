"""Maps: what a head says of every pixel, from the feature maps of a network."""
