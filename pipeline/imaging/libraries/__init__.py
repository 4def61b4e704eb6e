"""How Pillow and imagecodecs are called, and the samples that come out of them."""
