"""Protocols of tokens: a network stands still, and a small head answers questions about what its tokens show."""
