"""Export models that answer for whole texts: classifiers of texts and pairs, and encoders with their pooling."""
