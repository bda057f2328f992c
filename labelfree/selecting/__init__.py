"""Choosing which images to label next: what a folder holds, the audit, the choice itself, and the table and pictures that are written."""
