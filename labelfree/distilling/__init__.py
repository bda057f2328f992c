"""A head's answers on many images teach a smaller network: which images, what is answered, the student and what it came to."""
