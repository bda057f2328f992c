"""Heads that people use: a file with all that a prediction needs, what writes predictions, and the card that says what to expect.

Nothing here reads a run folder: a head is used where its file is, long after the run is gone.
"""
