"""What half an hour of a GPU is for: all published networks trained, and all figures that need one. See `__main__`."""
