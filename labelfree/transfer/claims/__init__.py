"""What may be said of a run, computed from its files alone: scores, intervals, labels saved, claims, and their sentences."""

from labelfree.transfer.claims.claims import Claims, claims_of, save_claims
from labelfree.transfer.claims.confusions import save_confusions
from labelfree.transfer.claims.intervals import holm

__all__ = ["Claims", "claims_of", "holm", "save_claims", "save_confusions"]
