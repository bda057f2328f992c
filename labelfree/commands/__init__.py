"""What the `labelfree` command consists of besides its verbs: words that several take, what they speak through, verbs in groups."""
