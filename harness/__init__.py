"""webdyno: a dynamometer for web frameworks."""

__version__ = "0.1.0"
