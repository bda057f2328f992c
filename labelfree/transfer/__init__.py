"""Transfer: what features are worth at few labels. Encoders, tasks and protocols, the comparison, its intervals and claims.

Nothing is imported here: who asks what a task is (`plan`, `data check`) does not wait for networks.
"""
