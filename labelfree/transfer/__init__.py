"""Transfer: what features are worth at few labels. Encoders and probes, the comparison, its intervals and claims."""

from labelfree.transfer.arms import ARMS, ArmKind, arm_kind, is_baseline
from labelfree.transfer.claims import Claims, claims_of, save_claims
from labelfree.transfer.comparison import answer
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.heads import apply_head, head_metadata, train_head
from labelfree.transfer.holm import holm
from labelfree.transfer.question import Question

__all__ = [
    "ARMS", "ArmKind", "Claims", "Concatenated", "Encoder", "NetworkEncoder", "Question", "StatisticsEncoder", "answer", "apply_head",
    "arm_kind", "claims_of", "head_metadata", "holm", "is_baseline", "save_claims", "train_head",
]  # fmt: skip
