"""Look at a checkpoint's files, and at the place for the bundle, before anything long begins."""
