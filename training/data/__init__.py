"""Data the lab makes or reads."""
