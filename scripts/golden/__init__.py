"""The parts of scripts/golden.py, one module each."""
