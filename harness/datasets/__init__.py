"""Image sets: decoded once to uint8, split once a seed, kept on the device."""
