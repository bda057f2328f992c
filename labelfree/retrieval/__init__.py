"""Looking for images by an image or by words: vectors of a folder on disk, the exact scan of them, and answers as a table, shapes and
pictures.
"""
