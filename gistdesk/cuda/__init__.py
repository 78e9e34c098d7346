"""PyTorch with CUDA for a program that ships without it: card detected, packages fetched, tried, used and removed.

A set-up is a folder of unpacked packages in the data folder, pinned by hash in resources/cuda. Every process that
calculates puts the current one in front of its own packages (`place.use`), so window, commands and trainer stay
the same program. Knows nothing of windows and models; only `trial`, a separate process, imports torch.
"""
