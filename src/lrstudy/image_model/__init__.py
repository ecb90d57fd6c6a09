"""The model that MLflow loads and serves, and the copy of its source that is logged with each network.

`classifier` maps `image_inputs` to a `prediction_table`; `source_copy` writes these modules, with the image code of
`lrstudy.data`, as a package of its own.
"""
