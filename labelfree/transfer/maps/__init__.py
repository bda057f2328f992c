"""Maps of features: tiles, what is learned of each pixel, and the heads that are left of it."""
