"""Figures for a paper: what the page shows, as PDF, SVG or PNG with a caption. The only room that imports matplotlib."""
