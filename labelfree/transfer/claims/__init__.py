"""What may be said of a run, computed from its files alone: scores, intervals, labels saved, claims, and their sentences."""

from labelfree.transfer.claims.beside_chance import save_chance
from labelfree.transfer.claims.claims import Claims, Comparison, claims_and_scores, claims_of, compare_at, save_claims
from labelfree.transfer.claims.confusions import save_confusions
from labelfree.transfer.claims.intervals import holm
from labelfree.transfer.claims.precision_recall import save_precision_recall
from labelfree.transfer.claims.reliability import save_reliability
from labelfree.transfer.claims.roc_curves import save_roc

__all__ = [
    "Claims", "Comparison", "claims_and_scores", "claims_of", "compare_at", "holm", "save_chance", "save_claims", "save_confusions",
    "save_precision_recall", "save_reliability", "save_roc",
]  # fmt: skip
