"""What labels of pixels and of objects share: images as overlapping tiles of one size, their features on disk, heads trained on them."""
