"""The medical domain: films, slices and volumes as hospitals store them."""

from labelfree_medical.medical import Medical

__all__ = ["Medical"]
