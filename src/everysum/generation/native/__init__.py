"""The step of decoding in C++, built on this machine for its processor; without a compiler PyTorch does the same."""
