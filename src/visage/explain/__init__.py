"""Where the networks look."""
