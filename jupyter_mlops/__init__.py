"""The MLOps workbench inside JupyterLab: what a notebook imports.

Everything here is lazy: importing the package costs a few milliseconds, a capability is loaded when it is used.
"""
