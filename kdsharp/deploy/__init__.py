"""A trained student in use: engines, exported files, eight bits. Nothing here imports PyTorch before it is needed."""
