"""Files that appear whole or not at all: downloads, caches, the kept folder, checkpoints, processes that share them."""
