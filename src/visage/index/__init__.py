"""The photo table, label corrections and folds."""
