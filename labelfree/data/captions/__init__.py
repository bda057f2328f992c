"""Captions as people keep them: tables, JSON, reports beside images, webdataset's tars; each image with what is said of it."""
