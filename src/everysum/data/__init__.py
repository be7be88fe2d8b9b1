"""From text to batches: documents read in bounded memory, token files, and the batch at a step."""
