"""A bundle on videos: faces followed from frame to frame, and what happens to them as events."""
