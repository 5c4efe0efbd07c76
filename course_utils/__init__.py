"""Helpers of the course "Generative Models, Built Twice": NumPy in, NumPy out.

Nothing here defines a model, a loss or a training loop: those are what the lessons teach. The
modules import no framework, and none of them is loaded before it is asked for.
"""

__version__ = "0.1.0"
