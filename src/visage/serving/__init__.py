"""The bundle: all that answers a photo in one folder, and that folder at work. Needs no torch but to be written."""
