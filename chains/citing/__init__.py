"""What a sentence of an answer claims, and whether a passage proves it."""
