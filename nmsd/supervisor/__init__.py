"""The supervisor: binds the ports, starts the workers, watches, restarts and replaces them.

Plain Python, one duty a file; it knows no protocol, store or directory.
"""
