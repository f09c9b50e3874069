"""Training: fold dataset, augmentation, losses, optimizer, cross-validation."""
