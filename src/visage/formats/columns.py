"""Column names and fixed vocabularies that several packages share."""

CORNERS = ["x0", "y0", "x1", "y1"]
POINTS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")  # the person's own right: left in the picture
LANDMARKS = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
SHOTS = ("normal", "incorrect_mask", "mask1", "mask2", "mask3", "mask4", "mask5")  # of one person, in the competition
MANUAL_BOX_COLUMNS = ["photo", *CORNERS, "note"]
CORRECTION_COLUMNS = ["person", "photo", "field", "value", "confidence", "source", "note"]
