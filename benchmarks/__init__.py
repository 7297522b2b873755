"""What clinspan takes and gives, measured. See README.md in this folder."""
