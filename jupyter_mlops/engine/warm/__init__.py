"""Warm kernels: forked off a process that has a notebook's imports loaded, instead of started and loaded each time.

- ``imports``: what a notebook imports, seen from its code.
- ``template``: the process that has them loaded and forks kernels (a program; imports nothing of this package but
  ``leftovers``, ``framing`` and ``kernel``).
- ``leftovers``: what an import left behind that a fork would not bear.
- ``kernel``: how the forked process becomes a kernel like any other.
- ``framing``: messages between these processes.
- ``pool``: the worker's templates.
- ``provisioner``: how ``jupyter_client`` gets a forked kernel; a fresh one where none is to be had.
"""
