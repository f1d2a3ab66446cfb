"""Who asks now, what runs together, on which device: the engine that answers every live job's requests.

It knows no widgets and no pages; a page, a script or a test submits a ``Recipe`` and follows a ``Job``.
"""
