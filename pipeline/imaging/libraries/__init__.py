"""The doors to Pillow and imagecodecs, and the samples that come out of them."""
