"""Attributions: where in a picture the networks find their answer."""
