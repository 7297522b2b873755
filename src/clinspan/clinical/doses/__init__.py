"""The steps between spans of medication and regimens."""
