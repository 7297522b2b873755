"""Notes in and spans out in other people's shapes, one file each."""
