"""Faces found, boxed, cropped and matted."""
