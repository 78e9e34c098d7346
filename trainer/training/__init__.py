"""Training gist adapters: recipe, steps, checkpoints, what a run will need."""
