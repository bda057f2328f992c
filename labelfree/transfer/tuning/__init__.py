"""Fine-tuning for tasks of whole images: a linear probe first, then it and the network under it together."""
