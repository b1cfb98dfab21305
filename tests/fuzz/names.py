"""The targets, and for those within a folder the file that is fuzzed."""

TARGETS = {
    "nii": ("", ""),
    "nii-gz": ("", ""),
    "tiff": ("", ""),
    "png": ("", ""),
    "jpeg": ("", ""),
    "nii-2": ("", ""),
    "nrrd": ("", ""),
    "metaimage": ("", ""),
    "dicom": ("", ""),
    "ome-zarr": ("image.zarr", "zarr.json"),
    "ome-zarr-array": ("image.zarr", "0/zarr.json"),
    "dataset": ("dataset", "dataset.json"),
    "model-card": ("model", "model.json"),
    "model-weights": ("model", "weights.safetensors"),
    "session-index": ("session", "session.json"),
    "session-journal": ("session", "journal-*"),
    "session-record": ("session", "journal-*"),
    "session-array": ("session", "work/*/ink/zarr.json"),
    "session-chunk": ("session", "work/*/ink/c/0/0/0"),
    "session-round": ("session", "rounds/*/model/model.json"),
}
