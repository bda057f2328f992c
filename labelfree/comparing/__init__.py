"""Several runs put side by side: their primaries as one family, their curves on one page, their arms paired where they may be."""
