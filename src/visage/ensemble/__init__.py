"""Member predictions blended, decided, scored and submitted."""
