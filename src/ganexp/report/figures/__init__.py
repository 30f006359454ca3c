"""Figures of the report: SVG by matplotlib, and pictures cut from the runs' sample grids.

- `svg`: colours, axes and the SVG that all figures share.
- `by_setting`: comparisons of settings.
- `curves`: the objective along training, and what a budget buys; `losses`: losses and equilibrium of each training.
- `strips`: samples beside real images.
"""
