"""Files of cameras and sensors: one module a format, told by a file's first bytes, and none of them changes a level."""

from labelfree_inspection.files.formats import ENDINGS, decode, decode_window, size_of

__all__ = ["ENDINGS", "decode", "decode_window", "size_of"]
