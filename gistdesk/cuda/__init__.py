"""PyTorch with CUDA beside a program that has it without: found a card for, fetched, tried, used and taken away again.

A set-up is a folder of unpacked packages in the data folder, pinned by hash in resources/cuda. Every process that
calculates puts the one that is in use in front of its own packages (`place.use`), so window, commands and trainer stay
the same program. Knows nothing of windows and models; imports no torch, but in `trial`, which is a process of its own.
"""
