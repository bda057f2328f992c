"""What pretraining and fine-tuning share: randomness as a function of the step, schedules, optimisers, checkpoints, signals."""
