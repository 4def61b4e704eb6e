"""Pictures of other people: told apart, decoded by what is right for each, brought to sRGB."""
