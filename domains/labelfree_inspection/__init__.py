"""The inspection domain: pictures of parts as cameras, scanners and height sensors store them."""

from labelfree_inspection.inspection import Inspection

__all__ = ["Inspection"]
