"""The matting network: a small U-Net, what it is trained on, and what it scores."""
