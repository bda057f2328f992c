"""Satellite and aerial images for labelfree: reader, sensors, views with the physics of reflectance, and a generated sample."""

from labelfree_satellite.satellite import Satellite

__all__ = ["Satellite"]
