"""How a question is asked: processes, rounds, notes, models, and where the answers go."""
