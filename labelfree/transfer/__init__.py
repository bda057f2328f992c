"""Transfer: what features are worth at few labels. Encoders, tasks and protocols, the comparison, its intervals and claims."""

from labelfree.transfer.arms import ARMS, ArmKind, arm_kind, is_baseline
from labelfree.transfer.claims import Claims, claims_of, holm, save_claims
from labelfree.transfer.comparison import answer
from labelfree.transfer.encoders import Concatenated, Encoder, NetworkEncoder, StatisticsEncoder
from labelfree.transfer.heads import head_metadata, load_head, save_head, train_head
from labelfree.transfer.question import Question

__all__ = [
    "ARMS", "ArmKind", "Claims", "Concatenated", "Encoder", "NetworkEncoder", "Question", "StatisticsEncoder", "answer", "arm_kind",
    "claims_of", "head_metadata", "holm", "is_baseline", "load_head", "save_claims", "save_head", "train_head",
]  # fmt: skip
