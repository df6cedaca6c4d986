"""Trials of one shape that train together in one process: stacked parameters, and each its own row, order and rate.

What a trial comes to does not depend on who trains beside it: a stack always has its full width, places that nobody has
are filled with zeros, and no arithmetic leads from one place to another (HFTA, Wang et al. 2021, section 3).
"""
