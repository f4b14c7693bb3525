"""Puts this folder on the path, so that every test finds the builders beside it."""
