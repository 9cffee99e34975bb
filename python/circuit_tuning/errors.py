"""What can go wrong, as exceptions with one line that says what, where and what to do."""

from __future__ import annotations


class CircuitError(Exception):
    """Base of all of this package's own exceptions."""


class InputError(CircuitError, ValueError):
    """Data, a file, a model or a circuit is not what the call needs."""


class UsageError(CircuitError, TypeError):
    """An argument that is not known, of another type, or outside its range."""


class OutOfMemory(CircuitError, MemoryError):
    """An allocation failed."""


class InternalError(CircuitError, RuntimeError):
    """A fault of this package or of torch. Please report it."""
