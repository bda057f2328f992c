"""Masks of the medical domain: their files, the folders that pair them with images, and their place on an image's grid."""
