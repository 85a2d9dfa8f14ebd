"""The doctor: checks the installation and a workspace, and says what to do about each thing found wrong."""

from .examination import examine

__all__ = ["examine"]
