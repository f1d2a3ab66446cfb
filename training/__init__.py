"""The lab: data, networks, the loop that trains them, and what measures them.

What the page reads of it (families, sessions, reports) imports diffusers, transformers and accelerate only
where they are used, so that the page opens without them.
"""
