"""Boxes of whole images: what networks find on tiles becomes what is found on an image."""
