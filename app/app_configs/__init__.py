"""Files in which apps carry their pins: one module for each form, read into and written from `app.hpkp.app_pins`.

::

    bytes ──recognize.read_config──> AppConfig: layers, identity, findings      InvalidAppConfig: place and reason
    PinLayer ──writers.write_config──> text                                     CannotExpress: what would be lost

Knows the domain and no input or output: callers read the file, `limits.MAX_BYTES` at most. Nothing is half read: a file
that the library itself would refuse, or of which a part is not literal, is refused whole with the place.
"""
