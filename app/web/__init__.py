"""The service's own pages, rendered here: HTML over what the API answers with, without JavaScript.

::

    route ──> service, store ──> values ──render──> template ──> HTML with a strict Content-Security-Policy
    form  ──> read_form ──> may this caller change things, and is the form one of ours? ──> service ──> 303 to a page
"""
