"""How much of red, green and blue goes into luma, by ITU-R BT.601."""

# Full range, as JPEG files (JFIF) and the luma students have it: RGB in [0, 1] to luma in [0, 1].
LUMA = (0.299, 0.587, 0.114)
# Studio range, as the tables of PSNR take it: RGB in [0, 1] to 0 ... 219, above a black of 16.
STUDIO, STUDIO_BLACK = (65.481, 128.553, 24.966), 16
