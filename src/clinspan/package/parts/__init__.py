"""The steps that every kind of package goes through."""
