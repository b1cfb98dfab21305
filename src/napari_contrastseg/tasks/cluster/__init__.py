"""Dask cluster: training and prediction on other machines."""
