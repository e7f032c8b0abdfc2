"""What the stages say to the user: data first, rendered last."""
