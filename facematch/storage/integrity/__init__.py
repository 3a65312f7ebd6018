"""MACs over the plaintext columns that decide who is searched."""
