"""Settings: declared once, beside the code that uses them; read, checked and rendered here.

Imports nothing of ours.
"""
