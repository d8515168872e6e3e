"""Any table of posts or of ties, and guesses at its columns."""
