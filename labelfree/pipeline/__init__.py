"""A recipe carried out from end to end: data, pretraining, comparison, report; each stage goes on where it stopped."""

from labelfree.pipeline.stages import Run, evaluate_only, pretrain_only, resume_run, run_recipe

__all__ = ["Run", "evaluate_only", "pretrain_only", "resume_run", "run_recipe"]
