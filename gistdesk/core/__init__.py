"""Documents, compression and answers. Knows nothing of windows and nothing of training."""
