"""Networks as their diagrams: compositions of `layers`. They know numbers of tokens, never text."""
