"""Recipes, image preprocessing, backbones, networks and checkpoints."""
