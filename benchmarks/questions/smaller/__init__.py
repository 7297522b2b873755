"""What a smaller model gains and loses."""
