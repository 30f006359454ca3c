"""Files on disk: run directories, plans, checkpoints, tables; written atomically, read with care.

Arguments that many functions share: `folder`, `directory` and `run` are directories (`run`: of one run); `most` is the
largest size in bytes that is read; the folder of a `path` to write must exist. Files that somebody else may have
written are read as `foreign` does: plain files only, links never followed.
"""
