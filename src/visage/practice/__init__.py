"""The practice set: portraits of people who do not exist."""
