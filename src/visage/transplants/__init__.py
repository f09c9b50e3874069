"""Forehead transplants: training pictures of the oldest class."""
