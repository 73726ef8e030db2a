"""edgeface: a door that recognises faces, on the device alone."""

__version__ = "0.1.0"
