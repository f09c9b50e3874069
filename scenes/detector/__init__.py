"""The face detector: a small RetinaFace, what it is trained on, and what it scores."""
