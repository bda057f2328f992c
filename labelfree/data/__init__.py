"""Manifests, splits, label budgets, the leak guard and the decode-once pool: from files to tensors in memory-mapped order."""
