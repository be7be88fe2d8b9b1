"""HTTP on this machine: who may ask, how much may come in how much time, and what is answered. Knows no page."""
