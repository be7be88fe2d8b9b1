"""From a recipe and a text to a trained network: the plan, the loop, the checkpoints."""
