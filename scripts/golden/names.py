"""The tiny checkpoints. Development looks at the first two; `third-tiny` is kept for one end-to-end test."""

CHECKPOINTS = ("sd15-tiny", "sd21-tiny", "third-tiny")
