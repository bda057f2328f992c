"""From files to pixels in order: manifests, splits, label budgets, the leak guard and the decode-once pool.

Import from the modules; some of them need torch and the light ones should stay light.
"""
