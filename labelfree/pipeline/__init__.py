"""A recipe carried out from end to end: data, pretraining, comparison, report; each stage goes on where it stopped.

Nothing is imported here: `select` takes networks and pools from this package and does not wait for what trains them.
"""
